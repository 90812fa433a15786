import CLineEditor
import VARLite
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Lines that are edited on a terminal, with a history of this run.
final class LineEditor {
  private let editor: OpaquePointer

  /// Lines that the history keeps.
  private static let historyLength: Int32 = 1000

  /// nil where standard input or standard error is no terminal that moves its cursor.
  init?(prompt: String) {
    let isDumb = getenv("TERM").map { String(cString: $0) } == "dumb"
    guard isatty(STDIN_FILENO) == 1, Console.errorIsTerminal, !isDumb,
      let editor = cline_open(prompt, Self.historyLength, { Interruption.isRequested })
    else { return nil }
    self.editor = editor
  }

  deinit { cline_close(editor) }

  /// The next line without its line break; nil at the end.
  ///
  /// - Throws: `VARLiteError` with `cancelled` after Ctrl-C.
  func nextLine() throws(VARLiteError) -> String? {
    var line: UnsafePointer<CChar>?
    switch cline_read(editor, &line) {
    case Int32(CLINE_END): return nil
    case Int32(CLINE_STOPPED): throw VARLiteError(.cancelled, "interrupted")
    case Int32(CLINE_LINE): break
    default:
      throw VARLiteError(
        .request, "standard input: cannot be read: \(SystemError.message(errno))")
    }
    guard let line, let text = String(validatingCString: line) else {
      throw VARLiteError(.request, "standard input: is not UTF-8 text")
    }
    let content = text.last == "\n" ? String(text.dropLast()) : text
    if content.contains(where: { !$0.isWhitespace }) { cline_remember(editor, content) }
    return content
  }
}
