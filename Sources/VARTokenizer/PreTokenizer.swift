/// Cuts normalized text into the pieces that BPE works on, as Qwen2's expression does:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}
///     | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///
/// The alternatives are tried in this order at each place; together they match every character.
struct PreTokenizer {
  static let pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
    + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  let text: UTF8Text
  let unicode: UnicodeTable

  /// The end of the piece that starts at a position before the end of the text.
  @inline(__always)
  func pieceEnd(from start: Int) -> Int {
    let (kind, byteCount) = kind(at: start)
    let next = start + byteCount
    let lead = text.bytes[start]
    if kind == UnicodeTable.letter { return letterEnd(from: next) }
    if kind == UnicodeTable.number { return next }
    if lead == UInt8(ascii: "'"), let end = contractionEnd(from: next) { return end }
    if lead != 0x0A, lead != 0x0D, next < text.count {
      let (nextKind, nextByteCount) = self.kind(at: next)
      if nextKind == UnicodeTable.letter { return letterEnd(from: next + nextByteCount) }
      if lead == 0x20, nextKind == UnicodeTable.other {
        return symbolEnd(from: next + nextByteCount)
      }
    }
    if kind == UnicodeTable.other { return symbolEnd(from: next) }
    return spaceEnd(from: start)
  }

  @inline(__always)
  private func kind(at position: Int) -> (kind: UInt16, byteCount: Int) {
    let (character, byteCount) = text.character(at: position)
    return (unicode.properties(character).kind, byteCount)
  }

  @inline(__always)
  private func letterEnd(from start: Int) -> Int {
    var position = start
    while position < text.count {
      let (kind, byteCount) = kind(at: position)
      guard kind == UnicodeTable.letter else { break }
      position += byteCount
    }
    return position
  }

  /// The end of a contraction behind its apostrophe. `ſ` folds to `s`.
  private func contractionEnd(from start: Int) -> Int? {
    func lowered(_ position: Int) -> UInt8 {
      position < text.count ? text.bytes[position] | 0x20 : 0
    }
    switch lowered(start) {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 1
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return lowered(start + 1) == UInt8(ascii: "e") ? start + 2 : nil
    case UInt8(ascii: "l"):
      return lowered(start + 1) == UInt8(ascii: "l") ? start + 2 : nil
    default:
      guard start + 1 < text.count, text.bytes[start] == 0xC5, text.bytes[start + 1] == 0xBF else {
        return nil
      }
      return start + 2
    }
  }

  /// The rest of `[^\s\p{L}\p{N}]+[\r\n]*`.
  private func symbolEnd(from start: Int) -> Int {
    var position = start
    while position < text.count {
      let (kind, byteCount) = kind(at: position)
      guard kind == UnicodeTable.other else { break }
      position += byteCount
    }
    while position < text.count, text.bytes[position] == 0x0A || text.bytes[position] == 0x0D {
      position += 1
    }
    return position
  }

  /// White space: up to its last line end; without one, all but the last character, which goes with
  /// what follows; all of it at the end of the text.
  private func spaceEnd(from start: Int) -> Int {
    var position = start
    var lastStart = start
    var lineEnd: Int?
    while position < text.count {
      let (kind, byteCount) = kind(at: position)
      guard kind == UnicodeTable.space else { break }
      lastStart = position
      position += byteCount
      if text.bytes[lastStart] == 0x0A || text.bytes[lastStart] == 0x0D { lineEnd = position }
    }
    if let lineEnd { return lineEnd }
    return position == text.count || lastStart == start ? position : lastStart
  }
}
