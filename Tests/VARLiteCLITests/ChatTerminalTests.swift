import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `chat` on a terminal: editing, history, Ctrl-C.
@Suite struct ChatTerminalTests {
  /// Where a terminal's description is, is not, or cannot be.
  enum Surroundings: String, CaseIterable, Sendable {
    case known = "TERM=xterm"
    case unknown = "TERM=no-such-terminal"
    case unset = ""

    var variables: [String] {
      (rawValue.isEmpty ? [] : [rawValue]) + ["TERMINFO=/nowhere", "TERMINFO_DIRS=/nowhere"]
    }
  }

  /// Where pictures of the conversation go.
  private let folder = TemporaryDirectory()

  private func chat(
    model: String, _ surroundings: Surroundings = .known, flags: [String] = []
  ) throws -> TerminalSession {
    var runner = try ProgramRunner.built("varlite")
    runner.environment += ["VARLITE_MODEL=\(model)"] + surroundings.variables
    return try TerminalSession(runner, ["chat", "--output-folder", folder.path] + flags)
  }

  private func tiny(_ surroundings: Surroundings = .known) throws -> TerminalSession {
    try chat(model: Programs.model.get(), surroundings)
  }

  private static let prompt = "> "
  private static let (left, up, rubout) = ("\u{1b}[D", "\u{1b}[A", "\u{7f}")

  @Test func theFirstLineNamesModelAndCommands() throws {
    let session = try tiny()
    try session.wait(for: "tiny.vq4: /image, /draw, /edit, /seed, /clear, /exit; /help")
    try session.wait(for: "Ctrl-C ends an answer")
    session.type("/exit\r")
    #expect(session.end() == Programs.Status.done)
  }

  @Test(arguments: Surroundings.allCases)
  func linesAreEditedAndComeBack(surroundings: Surroundings) throws {
    let session = try tiny(surroundings)
    func type(_ keys: String) throws { try session.type(keys, behindPrompt: Self.prompt) }
    try type("/sed 4711" + String(repeating: Self.left, count: 6) + "e\r")
    try session.wait(for: "\nseed 4711\r\n")
    // A character of several bytes goes with one key.
    try type("/öß" + Self.rubout + Self.rubout + "seed 5\r")
    try session.wait(for: "\nseed 5\r\n")
    try type(Self.up + Self.up + "2\r")
    try session.wait(for: "\nseed 47112\r\n")
    try type("\u{4}")
    #expect(session.end() == Programs.Status.done)
    #expect(!session.text.contains("terminal type"), "\(session.text)")
  }

  @Test func controlCAtThePromptDropsTheLineAndEndsOnlyInARow() throws {
    let session = try tiny()
    func type(_ keys: String) throws { try session.type(keys, behindPrompt: Self.prompt) }
    try type("/seed 9\u{3}")
    try session.wait(for: "ends the conversation")
    try type("/seed\r")
    try session.wait(for: "\nseed 0\r\n")
    try type("\u{3}")
    try session.wait(for: "ends the conversation")
    try type("\u{3}")
    #expect(session.end() == Programs.Status.interrupted)
  }

  /// While the model writes, and while it draws. The turn is forgotten; its pictures are not.
  @Test func controlCEndsTheAnswerAndNotTheConversation() throws {
    let session = try chat(model: MidSizeModel.path.get(), flags: ["--max-tokens", "900"])
    try session.wait(for: "> ")
    session.type("/image \(Programs.picture("scene_0"))\r")
    try session.wait(for: "128x128, goes with the next turn")
    for turn in ["Tell me a story.\r", "/draw a house\r"] {
      session.type(turn)
      try session.wait(for: "reading ")
      session.type("\u{3}")
      try session.wait(for: "stopped; the turn is forgotten")
      session.type("/image \(Programs.picture("scene_0"))\r")
      try session.wait(for: turn.hasPrefix("/") ? "picture 3 of the next turn" : "picture 2 of")
    }
    session.type("/clear\r")
    try session.wait(for: "a new conversation begins")
    session.type("/exit\r")
    #expect(session.end() == Programs.Status.done)
    #expect(folder.names().isEmpty)
  }

  /// Only Ctrl-C is about an answer: the other signals end the program, at its prompt and at work.
  @Test(arguments: [SIGTERM, SIGHUP], [false, true])
  func otherSignalsEndTheConversation(_ signal: Int32, isAtWork: Bool) throws {
    let session = try chat(model: MidSizeModel.path.get(), flags: ["--max-tokens", "900"])
    try session.wait(for: Self.prompt)
    if isAtWork {
      session.type("Tell me a story.\r")
      try session.wait(for: "reading ")
    }
    session.send(signal)
    #expect(session.end() == Programs.Status.interrupted, "\(session.text)")
  }

  /// Without a terminal for its lines the program ends as every other does.
  @Test(arguments: [SIGINT, SIGTERM])
  func signalsEndAConversationThatIsPiped(_ signal: Int32) throws {
    var runner = try ProgramRunner.built("varlite")
    runner.interruptSignal = signal
    runner.environment.append("VARLITE_MODEL=\(try MidSizeModel.path.get())")
    let result = try runner.run(
      ["chat", "--output-folder", folder.path, "--max-tokens", "900"],
      input: Array("Tell me a story.\nAnother one.\n".utf8), interruptAt: "reading")
    #expect(result.status == Programs.Status.interrupted, "\(result.errorText)")
  }
}

/// What progress is on a terminal.
@Suite struct ProgressTests {
  /// Lines that are rewritten must not wrap, or the terminal keeps pieces of them.
  @Test(arguments: [(200, false), (31, false), (24, true), (9, true), (2, true)])
  func stepsFitTheTerminal(columns: Int, isShort: Bool) throws {
    let folder = TemporaryDirectory()
    var runner = try ProgramRunner.built("varlite")
    runner.environment += ["VARLITE_MODEL=\(try Programs.model.get())", "TERM=xterm"]
    let session = try TerminalSession(
      runner,
      [
        "generate", Programs.redCircle, "-o", folder.file("a.png"), "--size", "512",
        "--cfg-scale", "1", "--force-image", "--no-preview",
      ], columns: UInt16(columns))
    #expect(session.end(within: 60) == Programs.Status.done)
    // Behind the last step stands the line that stays.
    let mark = "\r\u{1b}[K"
    let steps = session.text.split(separator: mark, omittingEmptySubsequences: true).dropLast()
    #expect(!steps.isEmpty)
    for step in steps { #expect(step.count < columns, "\(step)") }
    if columns >= 24 {
      #expect(steps.contains { $0.contains(isShort ? "/10" : " of 10") }, "\(steps)")
    }
    // A time to come has no tenths.
    for step in steps where step.contains(" s") {
      #expect(step.firstMatch(of: /\d\.\d s/) == nil, "\(step)")
    }
  }

  /// The same of conversions.
  @Test(arguments: [31, 9]) func sharesFitTheTerminal(columns: Int) throws {
    let folder = TemporaryDirectory()
    try MidSizeCheckpoint.write(to: folder.path)
    let session = try TerminalSession(
      ProgramRunner.built("varconvert"),
      [folder.path, "-o", folder.file("a.vq4"), "--threads", "1"], columns: UInt16(columns))
    let mark = "\r\u{1b}[K"
    try session.wait(for: mark)
    try session.wait(for: mark)
    session.send(SIGINT)
    #expect(session.end(within: 60) == Programs.Status.interrupted)
    let parts = session.text.split(separator: mark, omittingEmptySubsequences: false)
    // Before the first mark and behind the last one stand lines that stay.
    for share in parts.dropFirst().dropLast() {
      #expect(share.count < columns && share.contains("%"), "\(share)")
    }
  }
}
