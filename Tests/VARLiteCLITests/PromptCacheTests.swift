import Testing
import VARJSON
import VARTestSupport

/// `--prompt-cache`, and what the programs say of cached tokens.
@Suite struct PromptCacheTests {
  private func understand(_ path: String?, _ flags: [String] = []) throws -> Programs.Result {
    try Programs.varlite(
      ["understand", "Who are you?", "--repetition-penalty", "1", "-n", "20"] + flags
        + (path.map { ["--prompt-cache", $0] } ?? []))
  }

  @Test func theSecondStartReadsLess() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("system.cache")
    let plain = try understand(nil, ["--json"]).json()
    #expect(plain["cached_tokens"]?.integerValue == 0)
    let (first, second) = (
      try understand(path, ["--json"]).json(), try understand(path, ["--json"]).json()
    )
    #expect(first["cached_tokens"]?.integerValue == 0)
    let cached = try #require(second["cached_tokens"]?.integerValue)
    #expect(cached > 0)
    for json in [first, second] {
      #expect(json["text"] == plain["text"] && json["tokens"] == plain["tokens"])
      #expect(json["prompt_tokens"] == plain["prompt_tokens"])
    }
    let told = try understand(path)
    let count = try #require(second["prompt_tokens"]?.integerValue) - cached
    #expect(told.errorLines.first == "reading \(count) tokens")
    #expect(folder.names() == ["system.cache"])
  }

  @Test func picturesAreTheSame() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("system.cache")
    func draw(_ name: String, _ flags: [String]) throws -> ([UInt8], JSONValue) {
      let json = try Programs.varlite(
        ["generate", Programs.redCircle, "-o", folder.file(name), "--json"] + flags
      ).json()
      return (try Fixtures.readFile(folder.file(name)), json)
    }
    let (plain, _) = try draw("a.png", [])
    for (name, hits) in [("b.png", false), ("c.png", true)] {
      let (picture, json) = try draw(name, ["--prompt-cache", path])
      #expect(picture == plain)
      #expect((json["cached_tokens"]?.integerValue ?? 0 > 0) == hits)
    }
  }

  /// A conversation that begins again finds the system turn there, and so does the next program.
  @Test func chatsShareIt() throws {
    let folder = TemporaryDirectory()
    let flags = ["chat", "-n", "20", "--quiet"]
    let lines = "Who are you?\n/clear\nWho are you?\n"
    let plain = try Programs.varlite(flags, input: lines)
    let cache = ["--prompt-cache", folder.file("system.cache")]
    for _ in 0..<2 {
      #expect(try Programs.varlite(flags + cache, input: lines).text == plain.text)
    }
    let json = try understand(folder.file("system.cache"), ["--json"]).json()
    #expect(json["cached_tokens"]?.integerValue ?? 0 > 0)
  }

  @Test func otherFilesAreNamedAndLeftAlone() throws {
    let folder = TemporaryDirectory()
    let letter = Array("Dear reader, this is a letter.".utf8)
    folder.write("letter", letter)
    let result = try understand(folder.file("letter"))
    expectDone(result)
    #expect(result.text == (try understand(nil).text))
    #expect(result.errorText.contains("letter: is no prompt cache and is left as it is"))
    #expect(try Fixtures.readFile(folder.file("letter")) == letter)
  }

  /// A disk that is full, and a folder that takes nothing, are no matter.
  @Test(.enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"))
  func aFullDiskIsNoError() throws {
    let folder = TemporaryDirectory()
    for path in ["/dev/full", folder.file("none/system.cache")] {
      expectDone(try understand(path, ["--quiet"]))
    }
    #expect(folder.names() == [])
  }
}
