import VARJSON
import VQ4Format

/// The state as bytes, to store and to send:
///
///     16 bytes   XXH3-128 of all that follows, low half first
///      8 bytes   "VARDRAW1"
///      4 bytes   length of the header, little-endian
///     header     JSON: model, prompt, scales, settings, seed, tokens
///     bits       of each scale, eight a byte, the first in the lowest bit; each scale begins a byte
extension DrawingState {
  private static let mark = Array("VARDRAW1".utf8)
  /// A final grid of 512 x 512 tokens of 32 bits has a quarter of it; unpacked, each bit takes a byte.
  private static let largestByteCount = 4 << 20

  /// Whether bytes begin as those of a saved drawing.
  package static func isSerialized(_ bytes: [UInt8]) -> Bool {
    bytes.count >= 24 && Array(bytes[16..<24]) == mark
  }

  /// The state as a file has it.
  public var serialized: [UInt8] {
    let header = Array(JSONValue.object(self.header).text.utf8)
    var body = Self.mark
    withUnsafeBytes(of: UInt32(header.count).littleEndian) { body.append(contentsOf: $0) }
    body += header
    for scale in bits { body += Self.packed(scale) }
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  /// Reads what ``serialized`` wrote.
  ///
  /// - Throws: an error of the category `file` for bytes that are damaged, cut, or something else.
  public init(serialized bytes: [UInt8]) throws(VARLiteError) {
    guard bytes.count >= 28, bytes.count <= Self.largestByteCount, Self.isSerialized(bytes) else {
      throw VARLiteError(.file, "these bytes are no saved drawing; give what a drawing has stored")
    }
    let hash = bytes[16...].withUnsafeBytes { VQ4Hash(of: $0) }
    let stored = bytes.withUnsafeBytes {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    guard hash.low == UInt64(littleEndian: stored.0), hash.high == UInt64(littleEndian: stored.1)
    else { throw Self.damaged("its hash does not fit") }
    let length = bytes.withUnsafeBytes {
      Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self)))
    }
    guard length <= bytes.count - 28,
      let header = try? JSONValue(parsing: Array(bytes[28..<28 + length]))
    else { throw Self.damaged("its header is none") }
    try self.init(header: header, packed: bytes[(28 + length)...])
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
