/// The printable characters that stand for the 256 bytes in vocabulary files (from GPT-2).
///
/// Bytes that print as Latin-1 stand for themselves; the others, in order, are U+0100 and on.
enum ByteAlphabet {
  private static let byteOfCharacter: [UInt32: UInt8] = {
    var table: [UInt32: UInt8] = [:]
    var shifted: UInt32 = 0x100
    for byte in UInt32(0)..<256 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
        table[byte] = UInt8(byte)
      default:
        table[shifted] = UInt8(byte)
        shifted += 1
      }
    }
    return table
  }()

  /// The bytes an entry stands for; `nil` if it holds a character that stands for none.
  static func bytes(of entry: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entry.utf8.count)
    for character in entry.unicodeScalars {
      guard let byte = byteOfCharacter[character.value] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
