/// Bytes with little-endian numbers; reading past the end gives nil.
struct LittleEndianBytes {
  let bytes: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }
  init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

  var count: Int { bytes.count }

  /// The number of `size` bytes, at most 8, at `offset`; nil also where it does not fit an Int.
  func number(at offset: Int, size: Int) -> Int? {
    guard let part = part(offset, size) else { return nil }
    let value = part.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(exactly: value)
  }

  /// `count` bytes from `offset` on.
  func part(_ offset: Int, _ count: Int) -> ArraySlice<UInt8>? {
    guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else {
      return nil
    }
    let start = bytes.startIndex + offset
    return bytes[start..<start + count]
  }
}
