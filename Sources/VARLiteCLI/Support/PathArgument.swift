import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A path as people write it into a line, or as a file manager drops it there.
enum PathArgument {
  /// The path that a text means: without blanks around it, quotes, the backslashes of a shell and `file://`; `~` is the
  /// home folder.
  static func path(_ text: String) -> String {
    let trimmed = text.trimmed
    if let path = localFile(trimmed) { return path }
    if let quoted = unquoted(trimmed) { return localFile(quoted) ?? atHome(quoted) }
    let path = atHome(trimmed)
    // A backslash may be part of a name.
    guard path.contains("\\"), !FileTree.exists(path) else { return path }
    return atHome(withoutBackslashes(trimmed))
  }

  private static func unquoted(_ text: String) -> String? {
    guard text.utf8.count > 1, let quote = text.first, quote == "'" || quote == "\"",
      text.last == quote
    else { return nil }
    let inner = String(text.dropFirst().dropLast())
    return quote == "\"" ? withoutBackslashes(inner) : inner.replacing("'\\''", with: "'")
  }

  private static func withoutBackslashes(_ text: String) -> String {
    var result = ""
    var isEscaped = false
    for character in text {
      if character == "\\", !isEscaped {
        isEscaped = true
      } else {
        result.append(character)
        isEscaped = false
      }
    }
    return result
  }

  private static func atHome(_ text: String) -> String {
    guard text == "~" || text.hasPrefix("~/"), let home = getenv("HOME") else { return text }
    return String(cString: home) + text.dropFirst()
  }

  /// The path of a `file:` address of this machine; nil for anything else.
  private static func localFile(_ text: String) -> String? {
    guard text.lowercased().hasPrefix("file:/") else { return nil }
    var rest = text.dropFirst("file:".count)
    if rest.hasPrefix("//") {
      rest = rest.dropFirst(2)
      if rest.lowercased().hasPrefix("localhost/") { rest = rest.dropFirst("localhost".count) }
    }
    guard rest.hasPrefix("/") else { return nil }
    return decoded(String(rest))
  }

  /// Resolves `%20` and its like; nil where they are wrong or give no UTF-8.
  private static func decoded(_ text: String) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      guard digits.utf8.count == 2, !digits.hasPrefix("+"),
        let value = UInt8(digits, radix: 16), value != 0
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
