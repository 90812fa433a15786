import VARJSON
import VQ4Format

/// A document and bytes behind it, which tell whether they are whole:
///
///     16 bytes   XXH3-128 of all that follows, low half first
///      8 bytes   mark: what kind of record it is
///      4 bytes   length of the header, little-endian
///     header     JSON, an object
///     payload    bytes
package struct HashedRecord {
  /// Why bytes are no such record.
  package struct Damage: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
  }

  private static let hashCount = 16
  private static let headerStart = 28

  package let header: JSONObject
  package let payload: ArraySlice<UInt8>

  /// Whether bytes begin as those of a record of this kind.
  package static func isOne(_ bytes: [UInt8], mark: String) -> Bool {
    bytes.dropFirst(hashCount).starts(with: mark.utf8)
  }

  /// The bytes of a record.
  package static func serialized(
    _ header: JSONObject, mark: String, payload: [[UInt8]]
  ) -> [UInt8] {
    let text = Array(JSONValue.object(header).text.utf8)
    var body = Array(mark.utf8)
    withUnsafeBytes(of: UInt32(text.count).littleEndian) { body.append(contentsOf: $0) }
    body += text
    for part in payload { body += part }
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  /// Reads what ``serialized(_:mark:payload:)`` wrote.
  package init(serialized bytes: [UInt8], mark: String) throws(Damage) {
    guard bytes.count >= Self.headerStart, Self.isOne(bytes, mark: mark) else {
      throw Damage("it is none, or cut")
    }
    let hash = bytes[Self.hashCount...].withUnsafeBytes { VQ4Hash(of: $0) }
    let (low, high, length) = bytes.withUnsafeBytes {
      (
        UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self)))
      )
    }
    guard hash == VQ4Hash(high: high, low: low) else { throw Damage("its hash does not fit") }
    let rest = bytes[Self.headerStart...]
    guard length <= rest.count,
      let header = (try? JSONValue(parsing: Array(rest.prefix(length))))?.objectValue
    else { throw Damage("its header is none") }
    self.header = header
    payload = rest.dropFirst(length)
  }
}
