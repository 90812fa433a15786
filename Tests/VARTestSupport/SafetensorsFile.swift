import VARJSON

/// A small safetensors file read whole, for golden values; the product's reader is in `VARCheckpoint`.
public struct SafetensorsFile: Sendable {
  private struct Entry: Sendable {
    let type: String
    let shape: [Int]
    let bytes: Range<Int>
  }

  /// Names of the tensors, in the order of the header.
  public let names: [String]
  private let path: String
  private let content: [UInt8]
  private let entries: [String: Entry]

  /// Reads the file at `path`; throws ``FixtureError`` or `JSONError` where it is malformed.
  public init(path: String) throws {
    let content = try Fixtures.readFile(path)
    guard content.count >= 8 else { throw FixtureError("\(path): no header") }
    let headerByteCount = content.withUnsafeBytes {
      Int(truncatingIfNeeded: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)))
    }
    guard headerByteCount >= 0, headerByteCount <= content.count - 8 else {
      throw FixtureError("\(path): the header passes the end of the file")
    }
    let base = 8 + headerByteCount
    let header = try JSONValue(parsing: Array(content[8..<base]))
    var names: [String] = []
    var entries: [String: Entry] = [:]
    for (name, value) in header.objectValue?.members ?? [] where name != "__metadata__" {
      let offsets = value["data_offsets"]?.arrayValue?.compactMap(\.integerValue) ?? []
      guard let type = value["dtype"]?.stringValue, offsets.count == 2,
        let shape = value["shape"]?.arrayValue?.compactMap(\.integerValue),
        0 <= offsets[0], offsets[0] <= offsets[1], offsets[1] <= content.count - base
      else { throw FixtureError("\(path): malformed entry \(name)") }
      names.append(name)
      entries[name] = Entry(
        type: type, shape: shape, bytes: base + offsets[0]..<base + offsets[1])
    }
    self.path = path
    self.names = names
    self.content = content
    self.entries = entries
  }

  /// Reads the fixture `name`, for example `golden/vit.safetensors`.
  public init(fixture name: String) throws { try self.init(path: Fixtures.path(name)) }

  /// Whether a tensor of this name exists.
  public func contains(_ name: String) -> Bool { entries[name] != nil }

  /// The extents of a tensor, outermost first.
  public func shape(_ name: String) throws -> [Int] { try entry(name).shape }

  /// The type of a tensor as the header spells it, for example `BF16`.
  public func type(_ name: String) throws -> String { try entry(name).type }

  /// The elements of an F32, F16 or BF16 tensor, row-major.
  public func floats(_ name: String) throws -> [Float] {
    let entry = try entry(name)
    switch entry.type {
    case "F32":
      return try elements(entry, UInt32.self) { Float(bitPattern: UInt32(littleEndian: $0)) }
    case "F16": return try elements(entry, UInt16.self) { Self.half(UInt16(littleEndian: $0)) }
    case "BF16":
      return try elements(entry, UInt16.self) {
        Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16)
      }
    default: throw FixtureError("\(path): \(name) is \(entry.type), no float type")
    }
  }

  /// The elements of an I64, I32, I8, U8 or BOOL tensor, row-major.
  public func integers(_ name: String) throws -> [Int] {
    let entry = try entry(name)
    switch entry.type {
    case "I64": return try elements(entry, Int64.self) { Int(Int64(littleEndian: $0)) }
    case "I32": return try elements(entry, Int32.self) { Int(Int32(littleEndian: $0)) }
    case "I8": return try elements(entry, Int8.self) { Int($0) }
    case "U8", "BOOL": return try elements(entry, UInt8.self) { Int($0) }
    default: throw FixtureError("\(path): \(name) is \(entry.type), no integer type")
    }
  }

  /// A tensor of f32 to write.
  public struct Tensor: Sendable {
    let name: String
    let shape: [Int]
    let values: [Float]

    public init(_ name: String, shape: [Int], _ values: [Float]) {
      precondition(values.count == shape.reduce(1, *), "a value for each element")
      self.name = name
      self.shape = shape
      self.values = values
    }
  }

  /// Writes a file of f32 tensors, whose names need no escapes in JSON.
  public static func write(_ tensors: [Tensor], to path: String) throws {
    var end = 0
    let entries = tensors.map { tensor in
      let first = end
      end += 4 * tensor.values.count
      let offsets = "\"data_offsets\":[\(first),\(end)]"
      return "\"\(tensor.name)\":{\"dtype\":\"F32\",\"shape\":\(tensor.shape),\(offsets)}"
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    var bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    bytes.reserveCapacity(bytes.count + end)
    for tensor in tensors {
      let patterns = tensor.values.map(\.bitPattern.littleEndian)
      patterns.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
    try Fixtures.writeFile(path, bytes)
  }

  private func entry(_ name: String) throws -> Entry {
    guard let entry = entries[name] else { throw FixtureError("\(path): no tensor \(name)") }
    return entry
  }

  private func elements<Stored: BitwiseCopyable, Element>(
    _ entry: Entry, _ stored: Stored.Type, _ convert: (Stored) -> Element
  ) throws -> [Element] {
    let size = MemoryLayout<Stored>.size
    let count = entry.bytes.count / size
    guard entry.shape.reduce(1, *) == count, entry.bytes.count == count * size else {
      throw FixtureError("\(path): a shape of \(entry.shape) in \(entry.bytes.count) bytes")
    }
    return content.withUnsafeBytes { raw in
      (0..<count).map {
        convert(raw.loadUnaligned(fromByteOffset: entry.bytes.lowerBound + $0 * size, as: stored))
      }
    }
  }

  /// IEEE half precision by hand: `Float16` does not exist on every platform.
  private static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits >> 15 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Float(bits & 0x3FF)
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1 + fraction * 0x1p-10)
        * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }
  }
}
