import Testing
import VARTestSupport
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A drawing that is watched: its line, its preview's file, its pictures on the terminal.
@Suite struct WatchingTests {
  private static let drawing = ["generate", Programs.redCircle, "--size", "256", "--force-image"]
  private let folder = TemporaryDirectory()

  private func draw(_ arguments: [String]) throws -> Programs.Result {
    try Programs.varlite(Self.drawing + arguments)
  }

  // MARK: Lines

  /// Where nothing moves there are whole lines, without what a terminal obeys; with `--quiet` there is nothing, notes
  /// of any kind included.
  @Test func filesGetPlainLines() throws {
    let wide = folder.file("wide.png")
    try TestPicture.write(width: 4000, height: 20, to: wide)
    let edit = ["edit", "Paint it.", "-i", wide, "-m", DemoModel.path, "--size", "256"]
    for arguments in [Self.drawing, edit] {
      let all = arguments + ["-o", folder.file("a.png")]
      let told = try Programs.varlite(all)
      expectDone(told)
      #expect(!told.errorText.contains("\r") && !told.errorText.contains("\u{1b}"))
      let scales = told.errorLines.filter { $0.hasPrefix("scale ") }
      #expect(scales.count == 7, "\(told.errorText)")
      for line in scales {
        let form = /scale \d of 7, \d+ %, \d:\d\d(, about .* left)?, .* MB/
        #expect(line.wholeMatch(of: form) != nil, "\(line)")
      }
      let quiet = try Programs.varlite(all + ["--quiet"])
      expectDone(quiet)
      #expect(quiet.errorText.isEmpty && quiet.output.isEmpty, "\(quiet.errorText)")
    }
    // The edit has notes to make where it is not quiet.
    let told = try Programs.varlite(edit + ["-o", folder.file("a.png")])
    #expect(told.errorText.contains("not on 256x256"), "\(told.errorText)")
  }

  private func session(
    _ arguments: [String], columns: UInt16, environment: [String] = []
  ) throws -> TerminalSession {
    var runner = try ProgramRunner.built("varlite")
    runner.environment += ["VARLITE_MODEL=\(try Programs.model.get())"]
    runner.environment += environment.isEmpty ? ["TERM=xterm"] : environment
    return try TerminalSession(runner, Self.drawing + arguments, columns: columns)
  }

  /// One line that moves, as much of it as there is room for.
  @Test func terminalsGetALineThatFits() throws {
    for (columns, parts) in [
      (80, ["scale ", " of 7, ", "layer ", " %, 0:0", " MB"]), (31, [" of 7, ", " %"]),
    ] {
      let session = try session(
        ["-o", folder.file("a.png"), "--no-preview"], columns: UInt16(columns))
      #expect(session.end(within: 60) == Programs.Status.done)
      let mark = "\r\u{1b}[K"
      let steps = session.text.split(separator: mark, omittingEmptySubsequences: true).dropLast()
      #expect(steps.allSatisfy { $0.count < columns }, "\(steps)")
      #expect(
        steps.contains { step in parts.allSatisfy { step.contains($0) } }, "\(session.text)")
      #expect(!session.text.contains("▀"))
    }
  }

  // MARK: A file

  /// It is written after each scale, whole each time, changes nothing, and ends as the picture.
  @Test(arguments: ["quick", "vae"]) func aPreviewIsAFile(quality: String) throws {
    let (plain, output, preview) = (
      folder.file("plain.png"), folder.file("a.png"), folder.file("preview.png")
    )
    expectDone(try draw(["-o", plain, "--quiet"]))
    let watched = ["-o", output, "--preview", preview, "--preview-quality", quality]
    expectDone(try draw(watched + ["--quiet"]))
    #expect(try Fixtures.readFile(output) == Fixtures.readFile(plain))
    #expect(
      try ImageDecoder.decode(path: preview) == ImageDecoder.decode(path: plain))
    // One that is stopped shows what it was stopped at, and before that what was drawn so far.
    let stopped = try Programs.varlite(Self.drawing + watched, interruptAt: "scale 4 of")
    #expect([Programs.Status.interrupted, 0].contains(stopped.status))
    let shown = try ImageDecoder.decode(path: preview)
    #expect(shown.width == 256 && shown.height == 256)
    #expect(folder.names().sorted() == ["a.png", "plain.png", "preview.png"])
  }

  /// A file of the model that is made without a map says once that the picture decoder does it.
  @Test func filesWithoutAMapSayItOnce() throws {
    let result = try Programs.varlite([
      "generate", "Draw a big red circle on the left on a mint background.", "-m", DemoModel.path,
      "-o", folder.file("a.png"), "--preview", folder.file("p.png"),
    ])
    expectDone(result)
    #expect(
      result.errorLines.count { $0.contains("no map for quick previews") } == 1,
      "\(result.errorText)")
    let info = try Programs.varlite(["info", "-m", DemoModel.path])
    #expect(info.text.contains("previews        by the picture decoder"), "\(info.text)")
    let own = try Programs.varlite(["info"])
    #expect(own.text.contains("previews        by the file's map of colours"), "\(own.text)")
  }

  /// A full disk stops no drawing, and is said once.
  @Test func previewsThatCannotBeWrittenStopNothing() throws {
    let output = folder.file("a.png")
    let result = try draw(["-o", output, "--preview", "/dev/full", "--quiet"])
    expectDone(result)
    #expect(result.errorLines.count == 1, "\(result.errorText)")
    #expect(result.errorText.contains("/dev/full: cannot be written: No space left on device"))
    #expect(folder.names() == ["a.png"])
  }

  @Test func badPlacesAreToldBeforeTheWork() throws {
    let output = folder.file("a.png")
    for (flags, says) in [
      (["--preview", output], "reads or writes that file"), (["--preview", "-"], "name one"),
      (["--preview", folder.file("p.jpg")], "previews are PNG files"),
      (["--preview", folder.path], "is a directory"),
    ] {
      let result = try draw(["-o", output] + flags)
      #expect(result.status != 0 && result.errorText.contains(says), "\(result.errorText)")
    }
    #expect(folder.names().isEmpty)
  }

  // MARK: The terminal

  @Test(arguments: [
    ("TERM=xterm-256color", "\u{1b}[38;5;"), ("TERM=xterm-kitty", "\u{1b}_Ga=T,f=100"),
    ("TERM=foot", "\u{1b}P0;1q"),
  ])
  func picturesStandInPlace(term: String, code: String) throws {
    let session = try session(["-o", folder.file("a.png")], columns: 80, environment: [term])
    #expect(session.end(within: 60) == Programs.Status.done)
    let pictures = session.text.ranges(of: "\u{1b}7" + code)
    // After six scales, and the picture itself.
    #expect(pictures.count == 7, "\(pictures.count)")
    // Room is made once: every picture is drawn from the same row on.
    #expect(session.text.ranges(of: "\u{1b}[16A\u{1b}7").count == 7)
    #expect(session.text.ranges(of: String(repeating: "\n", count: 16)).count <= 1)
  }

  @Test(arguments: [
    (["--no-preview"], ["TERM=xterm"]), (["--quiet"], ["TERM=xterm"]),
    (["--preview-terminal", "off"], ["TERM=xterm"]), ([], ["TERM=xterm", "NO_COLOR=1"]),
    (["--preview-terminal", "kitty"], ["TERM=dumb"]),
    (["--preview-terminal", "sixel"], ["TERM=xterm", "NO_COLOR=1"]),
  ])
  func noPicturesWhereNoneAreWanted(flags: [String], environment: [String]) throws {
    let session = try session(
      ["-o", folder.file("a.png")] + flags, columns: 80, environment: environment)
    #expect(session.end(within: 60) == Programs.Status.done)
    #expect(!session.text.contains("\u{1b}7") && !session.text.contains("▀"))
  }

  @Test func theFormatCanBeForced() throws {
    let session = try session(
      ["-o", folder.file("a.png"), "--preview-terminal", "iterm2"], columns: 31)
    #expect(session.end(within: 60) == Programs.Status.done)
    #expect(session.text.contains("\u{1b}]1337;File=inline=1"))
  }
}
