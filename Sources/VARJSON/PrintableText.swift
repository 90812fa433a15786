/// Text of files, as messages, notes and tables show it: names, patterns, keys and numbers of a foreign file may hold
/// what moves a terminal's cursor, hides text, or fills the screen.
///
/// Errors apply it to their whole descriptions; the programs apply ``escapedLines`` to what leaves for the terminal.
extension String {
  /// Characters of a message at most, with all that it quotes.
  package static let maximumPrintableCount = 1000

  /// The text on one line, without characters that a terminal obeys; the middle of a long one is left out, since a
  /// message begins with the place and ends with what to do.
  package var printable: String {
    guard utf8.count > Self.maximumPrintableCount else { return escaped(keepsLines: false) }
    let (start, end) = (Self.maximumPrintableCount * 2 / 3, Self.maximumPrintableCount / 3)
    let scalars = unicodeScalars
    guard scalars.count > start + end else { return escaped(keepsLines: false) }
    let first = String(scalars.prefix(start)).escaped(keepsLines: false)
    return first + "\u{2026}" + String(scalars.suffix(end)).escaped(keepsLines: false)
  }

  /// The text without characters that a terminal obeys, but for ends of lines and tabs.
  package var escapedLines: String { escaped(keepsLines: true) }

  private func escaped(keepsLines: Bool) -> String {
    if utf8.allSatisfy({ (0x20..<0x7F).contains($0) || keepsLines && $0 == 0x0A }) { return self }
    var result = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "\n" where keepsLines, "\t" where keepsLines: result.unicodeScalars.append(scalar)
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.isObeyed:
        result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension JSONValue {
  /// ``text`` for a terminal: the same document, with characters that a terminal obeys as escapes of JSON.
  package var terminalText: String {
    let text = text
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
    var result = ""
    // Outside of texts there are none.
    for scalar in text.unicodeScalars {
      if scalar.isObeyed {
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension Unicode.Scalar {
  /// Whether a terminal does something else with it than show it: controls, ends of lines, changes of direction.
  fileprivate var isObeyed: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
