/// Valid UTF-8 of one text, read by position.
struct UTF8Text {
  let bytes: UnsafePointer<UInt8>
  let count: Int

  /// The character at a position that holds a lead byte, and its length in bytes.
  @inline(__always)
  func character(at position: Int) -> (value: UInt32, byteCount: Int) {
    let lead = UInt32(bytes[position])
    if lead < 0x80 { return (lead, 1) }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(position + 1), 2) }
    if lead < 0xF0 {
      return ((lead & 0x0F) << 12 | tail(position + 1) << 6 | tail(position + 2), 3)
    }
    let high = (lead & 0x07) << 18 | tail(position + 1) << 12
    return (high | tail(position + 2) << 6 | tail(position + 3), 4)
  }

  @inline(__always)
  private func tail(_ position: Int) -> UInt32 { UInt32(bytes[position] & 0x3F) }

  static func append(_ character: UInt32, to output: inout [UInt8]) {
    switch character {
    case ..<0x80:
      output.append(UInt8(character))
    case ..<0x800:
      output.append(UInt8(0xC0 | character >> 6))
      output.append(UInt8(0x80 | character & 0x3F))
    case ..<0x10000:
      output.append(UInt8(0xE0 | character >> 12))
      output.append(UInt8(0x80 | character >> 6 & 0x3F))
      output.append(UInt8(0x80 | character & 0x3F))
    default:
      output.append(UInt8(0xF0 | character >> 18))
      output.append(UInt8(0x80 | character >> 12 & 0x3F))
      output.append(UInt8(0x80 | character >> 6 & 0x3F))
      output.append(UInt8(0x80 | character & 0x3F))
    }
  }
}
