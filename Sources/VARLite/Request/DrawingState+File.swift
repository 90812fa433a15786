import VARJSON

/// The state as bytes, to store and to send: a `HashedRecord` of
///
///     header     model, prompt, scales, settings, seed, tokens
///     payload    bits of each scale, eight a byte, the first in the lowest bit; each scale begins a byte
extension DrawingState {
  private static let mark = "VARDRAW1"
  /// A final grid of 512 x 512 tokens of 32 bits has a quarter of it; unpacked, each bit takes a byte.
  private static let largestByteCount = 4 << 20

  /// Whether bytes begin as those of a saved drawing.
  package static func isSerialized(_ bytes: [UInt8]) -> Bool {
    HashedRecord.isOne(bytes, mark: mark)
  }

  /// The state as a file has it.
  public var serialized: [UInt8] {
    HashedRecord.serialized(header, mark: Self.mark, payload: bits.map(Self.packed))
  }

  /// Reads what ``serialized`` wrote.
  ///
  /// - Throws: an error of the category `file` for bytes that are damaged, cut, or something else.
  public init(serialized bytes: [UInt8]) throws(VARLiteError) {
    guard bytes.count <= Self.largestByteCount, Self.isSerialized(bytes) else {
      throw VARLiteError(.file, "these bytes are no saved drawing; give what a drawing has stored")
    }
    let record: HashedRecord
    do throws(HashedRecord.Damage) {
      record = try HashedRecord(serialized: bytes, mark: Self.mark)
    } catch { throw Self.damaged(error.description) }
    try self.init(header: .object(record.header), packed: record.payload)
  }

  private static func damaged(_ what: String) -> VARLiteError {
    VARLiteError(.file, "the saved drawing is damaged: \(what)")
  }

  private var header: JSONObject {
    var header = json
    header["bits"] = .array(bits.map { .integer($0.count) })
    return header
  }

  private init(header: JSONValue, packed: ArraySlice<UInt8>) throws(VARLiteError) {
    guard let state = DrawingState(json: header), let counts = header["bits"]?.integers,
      counts.count <= state.schedule.scales.count,
      counts.allSatisfy({ $0 >= 0 && $0 <= packed.count * 8 })
    else { throw Self.damaged("its header is not complete") }
    self = state
    guard counts.reduce(0, { $0 + ($1 + 7) / 8 }) == packed.count else {
      throw Self.damaged("it has \(packed.count) bytes of bits")
    }
    var start = packed.startIndex
    for count in counts {
      bits.append((0..<count).map { packed[start + $0 / 8] >> ($0 % 8) & 1 })
      start += (count + 7) / 8
    }
  }

  private static func packed(_ bits: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
    for (index, bit) in bits.enumerated() where bit != 0 { bytes[index / 8] |= 1 << (index % 8) }
    return bytes
  }
}
