/// Numbers in the bytes of an input.
extension [UInt8] {
  func number(at offset: Int, size: Int) -> Int? {
    guard offset >= 0, offset <= count - size else { return nil }
    let value = self[offset..<offset + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(exactly: value)
  }

  mutating func set(_ value: some FixedWidthInteger, at offset: Int, size: Int) {
    for index in 0..<size { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  /// Most significant byte first.
  mutating func setBigEndian(_ value: some FixedWidthInteger, at offset: Int) {
    for index in 0..<4 {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> (24 - 8 * index))
    }
  }
}
