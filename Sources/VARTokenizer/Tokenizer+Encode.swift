extension Tokenizer {
  /// What to do with text that reads like an added token.
  package enum AddedTokenHandling: Sendable {
    /// It becomes that token, as in the reference.
    case recognize
    /// It is text like any other.
    case plainText
  }

  /// The ids of a text; nothing is put before or after it.
  ///
  /// Added tokens are found in the text as it stands; what lies between is normalized (NFC), cut
  /// into pieces and merged. The cost is linear in the text, n log n within one piece.
  package func encode(_ text: String, addedTokens: AddedTokenHandling = .recognize) -> [Int32] {
    var text = text
    return text.withUTF8 { bytes in
      guard let base = bytes.baseAddress, !bytes.isEmpty else { return [] }
      var output: [Int32] = []
      output.reserveCapacity(bytes.count / 3 + 8)
      var merger = BytePairMerger(self)
      let text = UTF8Text(bytes: base, count: bytes.count)
      let recognizes = addedTokens == .recognize
      split(text, by: recognizes ? rawMatcher : nil, &output) { part, output in
        normalize(part) { part in
          split(part, by: recognizes ? normalizedMatcher : nil, &output) { part, output in
            appendPieces(part, &merger, &output)
          }
        }
      }
      return output
    }
  }

  /// Appends the ids of a matcher's tokens, and hands on the text between them.
  private func split(
    _ text: UTF8Text, by matcher: AddedTokenMatcher?, _ output: inout [Int32],
    _ appendText: (UTF8Text, inout [Int32]) -> Void
  ) {
    guard let matcher, !matcher.isEmpty else { return appendText(text, &output) }
    var position = 0
    while position < text.count {
      let match = matcher.firstMatch(in: text, from: position, self)
      let end = match?.start ?? text.count
      if end > position {
        appendText(UTF8Text(bytes: text.bytes + position, count: end - position), &output)
      }
      guard let match else { return }
      output.append(Int32(bitPattern: match.id))
      position = match.end
    }
  }

  private func normalize(_ text: UTF8Text, _ body: (UTF8Text) -> Void) {
    guard header.flags & Header.normalizesFlag != 0,
      let composed = CanonicalComposer.compose(text)
    else { return body(text) }
    composed.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      body(UTF8Text(bytes: base, count: bytes.count))
    }
  }

  private func appendPieces(
    _ text: UTF8Text, _ merger: inout BytePairMerger, _ output: inout [Int32]
  ) {
    let splitter = PreTokenizer(text: text, unicode: unicode)
    var start = 0
    while start < text.count {
      let end = splitter.pieceEnd(from: start)
      let piece = text.bytes + start
      if let id = wholeToken(piece, count: end - start) {
        output.append(Int32(bitPattern: id))
      } else {
        merger.append(piece, count: end - start, to: &output)
      }
      start = end
    }
  }
}
