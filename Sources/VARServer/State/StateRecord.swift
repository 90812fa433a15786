import VARJSON
import VQ4Format

/// A file of the state folder:
///
///     16 bytes   XXH3-128 of all that follows, low half first
///      8 bytes   "VARJOBS1"
///      4 bytes   length of the header, little-endian
///     header     JSON; `parts` has the lengths of the parts
///     parts      bytes, one part behind the other
struct StateRecord {
  /// Why bytes are no such file.
  struct Damage: Error, CustomStringConvertible {
    let description: String
  }

  private static let mark = Array("VARJOBS1".utf8)

  /// What times and places in the order may be: as many as JSON tells apart, and there is room to count on.
  static let counts = 0...1 << 53

  var header: JSONObject
  var parts: [[UInt8]]

  init(_ header: JSONObject, parts: [[UInt8]]) {
    self.header = header
    self.parts = parts
  }

  var serialized: [UInt8] {
    var header = header
    header["parts"] = .array(parts.map { .integer($0.count) })
    let text = Array(JSONValue.object(header).text.utf8)
    var body = Self.mark
    withUnsafeBytes(of: UInt32(text.count).littleEndian) { body.append(contentsOf: $0) }
    body += text
    for part in parts { body += part }
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  init(serialized bytes: [UInt8]) throws(Damage) {
    guard bytes.count >= 28, Array(bytes[16..<24]) == Self.mark else {
      throw Damage(description: "it is none, or cut")
    }
    let hash = bytes[16...].withUnsafeBytes { VQ4Hash(of: $0) }
    let (low, high, length) = bytes.withUnsafeBytes {
      (
        UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self)))
      )
    }
    guard hash == VQ4Hash(high: high, low: low) else {
      throw Damage(description: "its hash does not fit")
    }
    guard length <= bytes.count - 28,
      let header = (try? JSONValue(parsing: Array(bytes[28..<28 + length])))?.objectValue,
      let counts = header["parts"]?.arrayValue?.compactMap(\.integerValue)
    else { throw Damage(description: "its header is none") }
    var rest = bytes[(28 + length)...]
    parts = []
    for count in counts {
      guard (0...rest.count).contains(count) else {
        throw Damage(description: "its parts are not whole")
      }
      parts.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    guard rest.isEmpty else { throw Damage(description: "there is more behind its parts") }
    self.header = header
  }
}
