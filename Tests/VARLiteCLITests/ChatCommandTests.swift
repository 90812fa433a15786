import Testing
import VARTestSupport

/// The commands of a conversation, through a pipe.
@Suite struct ChatCommandTests {
  private func chat(
    _ lines: String..., flags: [String] = [], home: String? = nil
  ) throws -> Programs.Result {
    let folder = TemporaryDirectory()
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try Programs.model.get())")
    if let home { runner.environment.append("HOME=\(home)") }
    let result = try runner.run(
      ["chat", "--output-folder", folder.path] + flags,
      input: Array((lines.joined(separator: "\n") + "\n").utf8))
    expectDone(result)
    return result
  }

  @Test func picturesAreAcknowledged() throws {
    let picture = Programs.picture("scene_0")
    let result = try chat("/image \(picture)", "/image \(picture)", "/image /nowhere.png")
    #expect(result.errorText.contains("scene_0.png: 128x128, goes with the next turn"))
    #expect(result.errorText.contains("scene_0.png: 128x128, picture 2 of the next turn"))
    #expect(result.errorText.contains("/nowhere.png: "))
  }

  /// A path as people type it, paste it, or drop it from a file manager.
  @Test func pathsAreUnderstoodAsPeopleWriteThem() throws {
    let home = TemporaryDirectory()
    let bytes = try Fixtures.readFile(Programs.picture("scene_0"))
    let names = ["my cat.png", "é%41.png", "it's.png", "back\\slash.png", "plain.png"]
    for name in names { home.write(name, bytes) }
    let folder = home.path
    let forms = [
      "  \(folder)/plain.png \t", "\"\(folder)/my cat.png\"", "'\(folder)/my cat.png' ",
      "\(folder)/my cat.png", "\(folder)/my\\ cat.png", "~/my cat.png", "~/my\\ cat.png",
      "\"~/plain.png\"", "file://\(folder)/my%20cat.png", "file:\(folder)/plain.png",
      "file://localhost\(folder)/%C3%A9%2541.png", "FILE://\(folder)/plain.png",
      "'\(folder)/it'\\''s.png'", "\(folder)/it\\'s.png", "\(folder)/back\\slash.png",
      "'file://\(folder)/my%20cat.png'",
    ]
    for form in forms {
      let result = try chat("/image \(form)", home: folder)
      #expect(
        result.errorText.contains("128x128, goes with the next turn"),
        "\(form): \(result.errorText)")
    }
    // What cannot be such a path is told as it is.
    for form in [
      "file://elsewhere\(folder)/plain.png", "file://\(folder)/%zz.png", "'", "~nobody/a",
    ] {
      let result = try chat("/image \(form)", home: folder)
      #expect(!result.errorText.contains("goes with"), "\(form): \(result.errorText)")
    }
  }

  @Test func seedsAreToldAndTaken() throws {
    let result = try chat(
      "/seed", "/seed 7", "/seed -2", "/seed often", "/seed", "/draw \(Programs.redCircle)",
      "/seed random", "/seed", flags: ["--seed", "3"])
    let seeds = result.errorLines.filter { $0.hasPrefix("seed ") }
    #expect(seeds.prefix(3) == ["seed 3", "seed 7", "seed 7"])
    #expect(result.errorLines.contains { $0.hasPrefix("128x128 in ") && $0.hasSuffix("seed 7") })
    #expect(result.errorText.contains("not -2") && result.errorText.contains("not often"))
    #expect(seeds.count == 5 && seeds[3] == seeds[4] && seeds[3] != "seed 7")
  }

  /// The seed of a conversation is that of the pictures in it.
  @Test func anotherSeedDrawsAnotherPicture() throws {
    func draw(_ lines: [String], flags: [String]) throws -> [UInt8] {
      let folder = TemporaryDirectory()
      let result = try Programs.varlite(
        ["chat", "--quiet", "--no-metadata", "--output-folder", folder.path] + flags,
        input: (lines + ["/draw \(Programs.redCircle)"]).joined(separator: "\n"))
      expectDone(result)
      return try Fixtures.readFile(folder.file("varlite-1.png"))
    }
    let seven = try draw([], flags: ["--seed", "7"])
    #expect(try draw(["/seed 7"], flags: []) == seven)
    #expect(try draw(["/seed 7", "/clear"], flags: []) == seven)
    #expect(try draw([], flags: []) != seven)
  }

  @Test func clearForgetsTurnsAndPictures() throws {
    let once = try chat("Who are you?", flags: ["--quiet"]).text
    let again = try chat("Who are you?", "/clear", "Who are you?", flags: ["--quiet"])
    #expect(again.text == once + once)
    // What one turn has no memory for, the next may not need.
    let short = try chat("Who are you?", "/draw a house", "Who are you?", flags: ["--ram", "1"])
    #expect(short.status == Programs.Status.done)
    #expect(short.errorText.split(separator: "the request takes at least").count == 4)
    let picture = try chat("/image \(Programs.picture("scene_0"))", "/clear", "/edit Make it blue.")
    #expect(picture.errorText.contains("/edit needs a picture"))
  }

  @Test func aFullContextSaysHowToGoOn() throws {
    let long = String(repeating: "Who are you? ", count: 20)
    let fresh = try chat(long, flags: ["--context", "64"])
    #expect(fresh.errorText.contains("the context holds 64"))
    #expect(fresh.errorText.contains("--context") && !fresh.errorText.contains("/clear begins"))
    let later = try chat(
      "Who are you?", long, "/clear", "Who are you?", flags: ["--context", "64"])
    #expect(later.errorText.contains("/clear begins a new conversation"), "\(later.errorText)")
    let answers = later.text.split(separator: "\n").filter { $0.hasPrefix("I am") }
    #expect(answers.count == 2)
  }

  @Test func verboseSaysWhatTurnsTake() throws {
    let result = try chat("Who are you?", "Who are you?", flags: ["-v"])
    #expect(result.errorLines.count { $0.hasPrefix("times: reading ") } == 2)
    // A turn that turns out to be a picture is planned once more.
    #expect(result.errorLines.count { $0.hasPrefix("plan: peak ") } >= 2, "\(result.errorText)")
  }

  @Test func textsEndWithTheirRate() throws {
    let result = try chat("Who are you?")
    let pattern = /\d+ tokens in \d+\.\d s, \d+(\.\d)? tokens per second/
    #expect(result.errorLines.contains { $0.wholeMatch(of: pattern) != nil }, "\(result.errorText)")
  }
}
