import Testing
import VARJSON
import VARTestSupport

/// `understand`, its flags and its streams.
@Suite struct UnderstandTests {
  /// The reference's answer to a picture, held against its golden file.
  private static let question = [
    "understand", "What is in this picture?", "--image", Programs.picture("scene_2"),
    "--repetition-penalty", "1",
  ]

  @Test func textGoesToStandardOutputAndProgressDoesNot() throws {
    let result = try Programs.varlite([
      "understand", "Who are you?", "--max-tokens", "100", "--repetition-penalty", "1",
    ])
    expectDone(result)
    #expect(result.text == "I am a very small test model, and I can paint.\n")
    #expect(result.errorLines.first == "reading 30 tokens")
    let summary = try #require(result.errorLines.last)
    let pattern = /\d+ tokens in \d+\.\d s, \d+(\.\d)? tokens per second, seed 0/
    #expect(result.errorLines.count == 2 && summary.wholeMatch(of: pattern) != nil, "\(summary)")
  }

  @Test func shortFlagsAreTheLongOnes() throws {
    func answer(_ flags: [String]) throws -> JSONValue? {
      let json = try Programs.varlite(["understand", "--json"] + flags).json()
      return json["tokens"]
    }
    let picture = Programs.picture("scene_2")
    let long = try answer([
      "What is in this picture?", "--image", picture, "--max-tokens", "9", "--seed", "3",
      "--threads", "1", "--temperature", "2", "--ignore-eos",
    ])
    let short = try answer([
      "-p", "What is in this picture?", "-i", picture, "-n", "9", "-s", "3", "-t", "1",
      "--temperature", "2", "--ignore-eos",
    ])
    #expect(short == long && long?.arrayValue?.count == 9)
  }

  @Test func pickedSeedsAreTold() throws {
    func run(_ flags: [String]) throws -> Programs.Result {
      try Programs.varlite(
        ["understand", "Say something.", "--temperature", "3", "-n", "12", "--ignore-eos"] + flags)
    }
    let told = try run(["--seed", "random"])
    expectDone(told)
    let seed = try #require(told.errorLines.last?.split(separator: " ").last.map(String.init))
    #expect(UInt64(seed) != nil)
    #expect(try run(["--seed", seed]).text == told.text)
    let json = try run(["--seed", "random", "--json"]).json()
    let other = try #require(json["seed"]?.stringValue)
    #expect(UInt64(other) != nil && other != seed)
  }

  @Test func quietLeavesTheAnswerAlone() throws {
    let result = try Programs.varlite(["understand", "-", "--quiet"], input: "Who are you?\n")
    expectDone(result)
    #expect(result.text == "I am a very small test model, and I can paint.\n")
    #expect(result.errorOutput.isEmpty)
  }

  @Test func jsonIsOneObjectAndTextIsProgress() throws {
    let result = try Programs.varlite(["understand", "Who are you?", "--json"])
    let json = try result.json()
    #expect(json["text"]?.stringValue == "I am a very small test model, and I can paint.")
    #expect(json["prompt_tokens"]?.integerValue == 30)
    #expect(json["is_cut"]?.boolValue == false)
    #expect(json["tokens"]?.arrayValue?.isEmpty == false)
    #expect(result.errorText.contains("I am a very small test model"))
  }

  @Test func lengthAndEndCanBeSet() throws {
    let cut = try Programs.varlite(["understand", "Who are you?", "--max-tokens", "3", "--json"])
    #expect(try cut.json()["tokens"]?.arrayValue?.count == 3)
    #expect(try cut.json()["is_cut"]?.boolValue == true)
    let long = try Programs.varlite([
      "understand", "Who are you?", "--max-tokens", "60", "--ignore-eos", "--json",
    ])
    #expect(try long.json()["tokens"]?.arrayValue?.count == 60)
  }

  @Test func drawsFollowTheSeedAndTheirLimits() throws {
    func answer(_ flags: [String]) throws -> String {
      let result = try Programs.varlite(
        ["understand", "Say something.", "--max-tokens", "24", "--ignore-eos", "--quiet"] + flags)
      expectDone(result)
      return result.text
    }
    let hot = ["--temperature", "3"]
    let first = try answer(hot + ["--seed", "1"])
    #expect(try answer(hot + ["--seed", "1", "--isa", "scalar"]) == first)
    #expect(try answer(hot + ["--seed", "2"]) != first)
    let greedy = try answer([])
    #expect(greedy != first)
    #expect(try answer(hot + ["--top-k", "1"]) == greedy)
    #expect(try answer(hot + ["--top-p", "0"]) == greedy)
    #expect(try answer(["--repetition-penalty", "1.9"]) != greedy)
  }

  @Test func placeholdersThatTheModelWritesAreText() throws {
    // Told to go on, this model writes its own picture placeholder after some time.
    let result = try Programs.varlite([
      "understand", "Who are you?", "--ignore-eos", "--max-tokens", "2800", "--json",
    ])
    let tokens = try #require(try result.json()["tokens"]?.arrayValue)
    #expect(tokens.count == 2800)
    let hasPlaceholder = tokens.contains(.integer(780))
    #expect(hasPlaceholder, "the prompt does not test it any more")
  }

  @Test func picturesStandWhereTheMarksAre() throws {
    func ids(_ text: String) throws -> Int {
      let result = try Programs.varlite([
        "understand", text, "--image", Programs.picture("img_a"), "--image",
        Programs.picture("img_c"), "--max-tokens", "1", "--json",
      ])
      return try #require(try result.json()["prompt_tokens"]?.integerValue)
    }
    // 6 and 8 tokens of pictures in both.
    #expect(try ids("Compare these.") == ids("<image>Compare<image> these."))
    expectFailure(
      try Programs.varlite([
        "understand", "<image><image>", "--image", Programs.picture("img_a"),
      ]), Programs.Status.usage, "2 <image> marks for 1 pictures")
  }

  @Test func boundsOnPixelsAreObeyed() throws {
    func tokens(_ flags: [String]) throws -> (Int, String) {
      let result = try Programs.varlite(
        [
          "understand", "What?", "--image", Programs.picture("scene_0"), "--max-tokens", "1",
          "--json",
        ] + flags)
      return (try #require(try result.json()["prompt_tokens"]?.integerValue), result.errorText)
    }
    let (own, told) = try tokens([])
    #expect(told.contains("picture 1: 128x128 shrunk to 112x112 (16 tokens); --max-pixels"))
    let (small, toldSmall) = try tokens(["--max-pixels", "3136"])
    #expect(small == own - 12)
    #expect(toldSmall.contains("128x128 shrunk to 56x56 (4 tokens)"))
    let (large, toldLarge) = try tokens(["--min-pixels", "62720", "--max-pixels", "100000"])
    #expect(large > own)
    #expect(!toldLarge.contains("shrunk"))
  }

  @Test func systemMessageIsReplaced() throws {
    func count(_ flags: [String]) throws -> Int {
      let result = try Programs.varlite(["understand", "a", "--max-tokens", "1", "--json"] + flags)
      return try #require(try result.json()["prompt_tokens"]?.integerValue)
    }
    #expect(try count(["--system", "a b c d e f g h i j k l m n o p q r s t"]) > count([]))
    #expect(try count(["--system", ""]) < count([]))
  }

  @Test func traceHoldsTheNamedTensors() throws {
    let folder = TemporaryDirectory()
    let path = folder.path + "/trace.safetensors"
    expectDone(
      try Programs.varlite(
        Self.question + ["--max-tokens", "16", "--ignore-eos", "--trace", path]))
    let trace = try SafetensorsFile(path: path)
    let golden = try SafetensorsFile(fixture: "golden/llm_image.safetensors")
    for name in ["input_ids", "position_ids", "rope_delta", "greedy_ids", "image_grid_thw"] {
      #expect(try trace.integers(name) == golden.integers(name), "\(name)")
    }
    for name in ["step_logits", "logits", "embeds", "hidden_final_norm"] {
      let (actual, expected) = (try trace.floats(name), try golden.floats(name))
      try #require(actual.count == expected.count, "\(name)")
      // The golden tests of the library hold the closer bounds.
      #expect(zip(actual, expected).allSatisfy { abs($0 - $1) < 0.01 }, "\(name)")
    }
  }

  @Test func contextEndsTheAnswerAndLimitsThePrompt() throws {
    let long = String(repeating: "0 1 2 3 4 5 6 7 8 9 ", count: 400)
    expectFailure(
      try Programs.varlite(["understand", "-"], input: long), Programs.Status.usage, "4096")
  }

  @Test func theModelFlagWinsOverTheEnvironment() throws {
    expectFailure(
      try Programs.varlite(["understand", "a", "-m", "/nowhere/x.vq4"]),
      Programs.Status.badInput, "/nowhere/x.vq4")
  }
}
