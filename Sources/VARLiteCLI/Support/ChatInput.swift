import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where the lines of a conversation come from: a terminal with an editor, or any other standard input.
struct ChatInput {
  private static let prompt = "> "
  private let editor = LineEditor(prompt: Self.prompt)
  private var plain = StandardInput()
  private let showsPrompt: Bool

  /// Whether somebody sits there: then Ctrl-C ends what runs, not the program.
  let isInteractive = isatty(STDIN_FILENO) == 1

  init(isQuiet: Bool) { showsPrompt = !isQuiet && Console.errorIsTerminal }

  /// Whether more lines may come after one that could not be read.
  var goesOn: Bool { editor == nil && plain.goesOn }

  /// The next line; nil at the end.
  ///
  /// The first Ctrl-C at a prompt drops the line, the next one in a row ends the program.
  /// - Throws: `VARLiteError` with `cancelled` for Ctrl-C.
  mutating func nextLine() throws(VARLiteError) -> String? {
    var isWarned = false
    while true {
      do throws(VARLiteError) {
        if let editor { return try editor.nextLine() }
        if showsPrompt { Console.send(Self.prompt, to: STDERR_FILENO) }
        return try plain.nextLine()
      } catch {
        guard Interruption.isControlC, isInteractive, !isWarned else { throw error }
        Interruption.forget()
        isWarned = true
        Console.error("\nCtrl-C once more, Ctrl-D or /exit ends the conversation")
      }
    }
  }
}
