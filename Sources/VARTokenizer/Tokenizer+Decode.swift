extension Tokenizer {
  /// The text of ids.
  ///
  /// The bytes of all tokens are joined first; each part that is no UTF-8 becomes one U+FFFD. Ids
  /// that stand for nothing (a model may have more rows than the vocabulary) give no text.
  /// - Parameter skipSpecial: leaves special tokens out.
  package func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool = false) -> String {
    var bytes: [UInt8] = []
    for id in ids { appendBytes(of: id, skipSpecial: skipSpecial, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func appendBytes(of id: Int32, skipSpecial: Bool, to bytes: inout [UInt8]) {
    guard id >= 0, id < header.idCount, !(skipSpecial && isSpecial(id)) else { return }
    bytes.append(contentsOf: self.bytes(ofToken: UInt32(id)))
  }
}

/// Decodes ids one by one, and gives out whole characters only.
///
/// The texts it returns, joined, equal `Tokenizer.decode` of all ids.
package struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecial: Bool
  /// At most three bytes between calls: the start of a character whose end is still to come.
  private var pending: [UInt8] = []

  package init(_ tokenizer: Tokenizer, skipSpecial: Bool = false) {
    self.tokenizer = tokenizer
    self.skipSpecial = skipSpecial
  }

  /// The text that has become complete with this id; often empty inside a character.
  package mutating func append(_ id: Int32) -> String {
    tokenizer.appendBytes(of: id, skipSpecial: skipSpecial, to: &pending)
    let completeCount = pending.count - Self.unfinishedByteCount(pending)
    let text = String(decoding: pending[..<completeCount], as: UTF8.self)
    pending.removeFirst(completeCount)
    return text
  }

  /// What is left at the end: U+FFFD if the last character never became complete.
  package mutating func finish() -> String {
    let text = String(decoding: pending, as: UTF8.self)
    pending.removeAll()
    return text
  }

  /// The length of a trailing part that further bytes could still make a character.
  private static func unfinishedByteCount(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let lead = bytes[bytes.count - count]
      if lead & 0xC0 == 0x80 { continue }
      let length: Int
      switch lead {
      case 0xC2...0xDF: length = 2
      case 0xE0...0xEF: length = 3
      case 0xF0...0xF4: length = 4
      default: return 0
      }
      guard count < length else { return 0 }
      guard count > 1 else { return count }
      // Overlong forms, surrogates and values above U+10FFFF show in the second byte.
      let second = bytes[bytes.count - count + 1]
      let allowed: ClosedRange<UInt8> =
        switch lead {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
      return allowed.contains(second) ? count : 0
    }
    return 0
  }
}
