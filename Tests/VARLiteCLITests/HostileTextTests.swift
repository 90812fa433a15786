import Testing
import VARJSON
import VARTestSupport

/// Names, keys and patterns of files that hold what a terminal obeys, or are endless.
@Suite struct HostileTextTests {
  private static let hostile = "\u{1B}[2J\u{9B}1m\u{202E}"
  /// The same as JSON spells it.
  private static let escaped = #"\u001b[2J\u009b1m\u202e"#
  private static let endless = String(repeating: "x", count: 100_000)

  /// A small checkpoint; its configuration has an unknown key, and one tensor nothing needs.
  ///
  /// - Parameter tensor: its name as the header spells it.
  private func checkpoint(tensor: String = "lora.\(escaped)") -> TemporaryDirectory {
    let folder = TemporaryDirectory()
    var checkpoint = SmallCheckpoint()
    checkpoint.add(tensor, 2)
    checkpoint.write(to: folder.path)
    return folder
  }

  private func recipe(_ rule: String) -> String {
    #"{"recipe_version":1,"name":"\u001b[2J\u009b1m\u202e","architecture":"vargpt_v1_1","rules":["#
      + rule + #"{"match":"**","precision":"int4"}]}"#
  }

  /// Neither on standard output nor on standard error.
  private func expectShown(
    _ result: Programs.Result, _ status: Int32, location: SourceLocation = #_sourceLocation
  ) {
    #expect(result.status == status, "\(result.errorText)", sourceLocation: location)
    let bytes = result.output + Array(result.errorText.utf8)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(!bytes.contains { $0 < 0x20 && $0 != 0x0A || $0 == 0x7F }, sourceLocation: location)
    for scalar in ["\u{9B}", "\u{202E}"] {
      #expect(!text.contains(scalar), sourceLocation: location)
    }
    #expect(text.contains("\\u{1B}[2J") || text.contains("\\u001b[2J"), sourceLocation: location)
    let longest = result.errorLines.map(\.utf8.count).max() ?? 0
    #expect(longest < 8 * String.maximumPrintableCount, sourceLocation: location)
  }

  @Test func plansShowRecipesAndNames() throws {
    let folder = checkpoint()
    let rule = #"{"match":"\u001b[2J\u009b1m\u202e","precision":"int8","optional":true},"#
    folder.write("r.json", recipe(rule))
    for more in [["--all"], ["--json"]] {
      let result = try Programs.varconvert(
        ["plan", folder.path, "--recipe", folder.file("r.json")] + more)
      expectShown(result, Programs.Status.done)
    }
  }

  @Test func recipesThatAreRefusedAreShown() throws {
    let folder = checkpoint()
    for rule in [
      #"{"match":"a","precision":"\u001b[2J\u009b1m\u202e"},"#,
      #"{"match":"a","precision":"int4","\u001b[2J\u009b1m\u202e":1},"#,
      "{\"match\":\"a\",\"precision\":\"\\u001b[2J\(String(repeating: "x", count: 100_000))\"},",
    ] {
      folder.write("r.json", recipe(rule))
      expectShown(
        try Programs.varconvert(["plan", folder.path, "--recipe", folder.file("r.json")]),
        Programs.Status.badInput)
    }
  }

  @Test func checkpointsAreShown() throws {
    let folder = checkpoint(tensor: "vargpt_gen." + Self.escaped + Self.endless)
    expectShown(try Programs.varconvert(["plan", folder.path, "--all"]), Programs.Status.done)
    var config = try #require(
      JSONValue(parsing: Fixtures.readFile(folder.file("config.json"))).objectValue)
    config["hidden_act"] = .string(Self.hostile + Self.endless)
    folder.write("config.json", JSONValue.object(config).text)
    expectShown(try Programs.varconvert(["plan", folder.path]), Programs.Status.badInput)
    folder.write("config.json", #"{"\u001b[2J":1,"\u001b[2J":2}"#)
    expectShown(try Programs.varconvert(["plan", folder.path]), Programs.Status.badInput)
  }

  @Test func tokenizersThatAreRefusedAreShown() throws {
    let folder = TemporaryDirectory()
    folder.write("tokenizer.json", #"{"\u001b[2J":1,"\u001b[2J":2}"#)
    expectShown(
      try Programs.varlite(["tokenize", "a", "--tokenizer", folder.file("tokenizer.json")]),
      Programs.Status.badInput)
  }

  @Test func namesOfFilesAreShown() throws {
    let folder = TemporaryDirectory()
    folder.write(Self.hostile, "no model")
    for command in ["info", "verify"] {
      expectShown(
        try Programs.varlite([command, folder.file(Self.hostile)]), Programs.Status.badInput)
    }
    folder.write(Self.hostile, try Fixtures.readFile(Programs.model.get()))
    expectShown(try Programs.varlite(["info", folder.file(Self.hostile)]), Programs.Status.done)
    expectShown(
      try Programs.varlite(["verify", folder.file(Self.hostile), "--quiet", "--json"]),
      Programs.Status.done)
  }

  @Test func evaluationsThatAreRefusedAreShown() throws {
    let folder = TemporaryDirectory()
    folder.write("eval.json", #"{"image_size":96,"colors":{"\u001b[2J\u202e":[1,2]}}"#)
    expectShown(
      try Programs.varlite(["eval", folder.path, "--quiet"]), Programs.Status.badInput)
  }
}
