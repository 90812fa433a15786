import Testing
import VARJSON
import VARTestSupport

/// `tokenize` in all its forms.
@Suite struct TokenizeTests {
  private static let tokenizer = ["--tokenizer", Fixtures.path("tiny/tokenizer.json")]

  @Test func textAndIdsAreEachOthersInverse() throws {
    let text = "Ein <|im_start|> Kreis:\n  größer, 日本 🟥"
    for flags in [[], Self.tokenizer] {
      let ids = try Programs.varlite(["tokenize", text] + flags)
      expectDone(ids)
      #expect(ids.errorOutput.isEmpty)
      let back = try Programs.varlite(["tokenize", "--decode", ids.text] + flags)
      expectDone(back)
      #expect(back.text == text + "\n")
      let piped = try Programs.varlite(["tokenize"] + flags, input: text)
      #expect(piped.text == ids.text)
    }
  }

  @Test func goldenIdsPerLine() throws {
    let cases = try JSONValue(
      parsing: String(decoding: Fixtures.bytes("golden/tokenizer_cases.json"), as: UTF8.self))
    let list = try #require(cases["encode"]?.arrayValue)
    let texts = list.compactMap { $0["text"] }
    let ids = list.compactMap { $0["ids"] }
    try #require(texts.count > 10 && texts.count == ids.count)
    let input = texts.map { $0.text + "\r\n" }.joined()
    let result = try Programs.varlite(["tokenize", "--jsonl"] + Self.tokenizer, input: input)
    expectDone(result)
    let lines = result.text.split(separator: "\n").map(String.init)
    try #require(lines.count == ids.count)
    for (line, expected) in zip(lines, ids) { #expect(line == expected.text) }
    let back = try Programs.varlite(["tokenize", "--jsonl", "--decode", "-"], input: result.text)
    expectDone(back)
    #expect(back.text.split(separator: "\n").count == texts.count)
  }

  @Test func badLinesAreNamed() throws {
    for (input, flags) in [
      ("\"a\"\nb\n", []), ("\"a\"\n[1]\n", []), ("[1]\n[-1]\n", ["--decode"]),
      ("[1]\n\"a\"\n", ["--decode"]), ("[1]\n[4294967296]\n", ["--decode"]),
    ] as [(String, [String])] {
      let result = try Programs.varlite(["tokenize", "--jsonl"] + flags, input: input)
      #expect(result.status == Programs.Status.badInput, "\(input)")
      #expect(result.errorText.hasPrefix("varlite: standard input: line 2: "), "\(input)")
    }
  }

  @Test func badIdsAreRefusedAndUnknownOnesAreNothing() throws {
    expectFailure(
      try Programs.varlite(["tokenize", "--decode", "1 x"]), Programs.Status.badInput, "\"x\"")
    let result = try Programs.varlite(["tokenize", "--decode", "2147483647"])
    expectDone(result)
    #expect(result.text == "\n")
  }

  @Test func inputThatIsNotUTF8IsRefused() throws {
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try Programs.model.get())")
    expectFailure(
      try runner.run(["tokenize"], input: [0x61, 0xc3]), Programs.Status.usage, "UTF-8")
  }

  @Test func junkTokenizersAreNamed() throws {
    let folder = TemporaryDirectory()
    let path = folder.path + "/tokenizer.json"
    try TestFile.write(Array("{\"model\": 3}".utf8), to: path)
    for path in [path, "/nowhere.json", folder.path] {
      let result = try Programs.varlite(["tokenize", "a", "--tokenizer", path])
      expectFailure(result, Programs.Status.badInput, path)
    }
  }
}
