import Testing
import VARTestSupport
import VARVision

/// `chat` through a pipe.
@Suite struct ChatTests {
  /// Pictures go to `folder`, else to one that is removed.
  private func chat(
    _ lines: String..., folder: TemporaryDirectory? = nil, flags: [String] = []
  ) throws -> Programs.Result {
    let folder = folder ?? TemporaryDirectory()
    return try Programs.varlite(
      ["chat", "--quiet", "--output-folder", folder.path] + flags,
      input: lines.joined(separator: "\n") + "\n")
  }

  @Test func linesAreTurns() throws {
    let result = try chat("Who are you?", "", "Who are you?", "/exit", "Who are you?")
    expectDone(result)
    let once = try chat("Who are you?")
    #expect(once.text == "I am a very small test model, and I can paint.\n")
    #expect(result.text.hasPrefix(once.text) && result.text.count > once.text.count)
    // The second answer stands in another context, and the third question is not asked.
    let text = result.text.split(separator: "\n")
    let twice = try chat("Who are you?", "Who are you?").text.split(separator: "\n")
    // Only the name of the folder of pictures differs.
    #expect(twice.filter { !$0.hasPrefix("/") } == text.filter { !$0.hasPrefix("/") })
    #expect(result.errorOutput.isEmpty)
  }

  @Test func linesThatCannotBeReadAreTold() throws {
    let folder = TemporaryDirectory()
    let long = [UInt8](repeating: UInt8(ascii: "x"), count: (1 << 20) + 70_000)
    let question = Array("\nWho are you?\n".utf8)
    let once = try chat("Who are you?").text
    for bad in [[0x61, 0xFF], long, long + long] as [[UInt8]] {
      let result = try Programs.varlite(
        ["chat", "--quiet", "--output-folder", folder.path], bytes: bad + question)
      expectDone(result)
      #expect(result.text == once)
      #expect(result.errorLines.count == 1, "\(result.errorText)")
      #expect(result.errorText.contains("standard input"))
    }
  }

  @Test func picturesAreShownDrawnAndChanged() throws {
    let folder = TemporaryDirectory()
    let result = try chat(
      "/image \(Programs.picture("scene_0"))", "/edit Make it blue.",
      "/draw Please paint a red circle.", folder: folder)
    expectDone(result)
    let names = folder.names()
    #expect(names.first == "varlite-1.png", "\(result.text) \(result.errorText)")
    for name in names {
      #expect(result.text.contains("\(folder.path)/\(name)\n"))
      #expect(try ImageDecoder.decode(path: "\(folder.path)/\(name)").width == 128)
    }
    // A second conversation in the same folder keeps what the first drew.
    let first = try Fixtures.readFile(folder.path + "/varlite-1.png")
    expectDone(
      try chat(
        "/draw Please paint a red circle.", folder: folder, flags: ["--seed", "3"]))
    #expect(folder.names().count == names.count + 1)
    #expect(try Fixtures.readFile(folder.path + "/varlite-1.png") == first)
  }

  @Test func mistakesAreToldAndTheConversationGoesOn() throws {
    let result = try chat(
      "/frobnicate", "/image", "/image /nowhere.png", "/draw", "/edit", "/edit Make it blue.",
      "a <image>", "/help", "Who are you?")
    expectDone(result)
    #expect(result.text == "I am a very small test model, and I can paint.\n")
    for part in [
      "/frobnicate is unknown", "/image needs a path", "/nowhere.png: ", "/draw needs",
      "/edit needs an instruction", "/edit needs a picture", "1 <image> marks",
      "ends the conversation",
    ] {
      #expect(result.errorText.contains(part), "\(part) is missing in \(result.errorText)")
    }
  }

  @Test func aDrawingThatDoesNotComeIsTold() throws {
    let folder = TemporaryDirectory()
    let result = try chat("/draw Who are you?", folder: folder, flags: ["--let-model-decide"])
    expectDone(result)
    #expect(result.errorText.contains("without drawing") && folder.names().isEmpty)
  }

  /// Told to draw, the model draws behind its own words.
  @Test func drawingsComeWhenTold() throws {
    let folder = TemporaryDirectory()
    let result = try chat(
      "/draw Who are you?", "/edit Who are you?", folder: folder, flags: ["--no-metadata"])
    expectDone(result)
    #expect(folder.names() == ["varlite-1.png", "varlite-2.png"], "\(result.errorText)")
    #expect(result.text.contains("I am a very small test model, and I can paint."))
    let picture = String(
      decoding: try Fixtures.readFile(folder.file("varlite-1.png")), as: UTF8.self)
    #expect(!picture.contains("Who are you?"))
  }

  @Test func aTurnThatDoesNotFitIsToldAndTheConversationGoesOn() throws {
    let long = String(repeating: "Who are you? ", count: 20)
    let result = try chat(long, "Who are you?", long, flags: ["--context", "64"])
    #expect(result.status == Programs.Status.done, "\(result.errorText)")
    #expect(result.errorText.occurrences(of: "the context holds 64") == 2, "\(result.errorText)")
    #expect(result.text.occurrences(of: "I am a very small test model") == 1, "\(result.text)")
  }

  @Test func aMissingFolderIsToldAtOnce() throws {
    expectFailure(
      try chat("Who are you?", flags: ["--output-folder", "/nowhere/at/all"]),
      Programs.Status.noResources, "/nowhere/at/all")
  }
}

extension String {
  /// How often a text stands in this one.
  fileprivate func occurrences(of text: String) -> Int {
    split(separator: text, omittingEmptySubsequences: false).count - 1
  }
}
