import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `varconvert --target-size` and its like.
@Suite struct RecipeSearchTests {
  private static let target = 6_300_000
  private nonisolated(unsafe) static var folder: TemporaryDirectory?

  /// What was found for `target`, with one thread, as `found.vq4`; nothing was known before.
  private static let found = Swift.Result<TemporaryDirectory, any Error> {
    let folder = TemporaryDirectory()
    Self.folder = folder
    atexit { RecipeSearchTests.folder = nil }
    let calibrated = try Programs.varconvert([
      "calibrate", try Programs.model.get(), "-o", folder.file("calibration"), "--limit", "1",
      "--quiet",
    ])
    expectDone(calibrated)
    expectDone(try search(folder, "found.vq4", ["--target-size", "\(target)", "-t", "1"]))
    return folder
  }

  private static func search(
    _ folder: TemporaryDirectory, _ output: String, _ more: [String]
  ) throws -> Programs.Result {
    try Programs.varconvert(
      [
        Fixtures.path("tiny"), "-o", folder.file(output), "--layout", "compact", "--calibration",
        folder.file("calibration"), "--search-cases", "2", "--no-preview-map", "--quiet",
      ] + more)
  }

  /// Gives a search of another name what one has measured, or a part of it.
  private func hand(
    _ folder: TemporaryDirectory, to output: String, every: Int? = nil
  ) throws {
    let bytes = try Fixtures.readFile(folder.file("found.vq4.search"))
    guard let every else { return folder.write("\(output).search", bytes) }
    let whole = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self))
    var state = try #require(whole.objectValue)
    for key in ["weights", "probes"] {
      let members = try #require(state[key]?.objectValue).members
      state[key] = .object(
        JSONObject(
          members.enumerated().filter { $0.offset % every == 0 }.map { ($1.key, $1.value) }))
    }
    folder.write("\(output).search", Array(JSONValue.object(state).text.utf8))
  }

  @Test func theFileIsAsLargeAsItMayBe() throws {
    let folder = try Self.found.get()
    let model = try Fixtures.readFile(folder.file("found.vq4"))
    #expect((Self.target * 99 / 100...Self.target).contains(model.count), "\(model.count)")
    expectDone(try Programs.varlite(["verify", folder.file("found.vq4")]))
    // The temporary file is gone.
    #expect(
      folder.names().filter { $0.hasPrefix("found") }.sorted() == [
        "found.vq4", "found.vq4.recipe.json", "found.vq4.search",
      ])
    expectDone(
      try Programs.varconvert([
        Fixtures.path("tiny"), "-o", folder.file("again.vq4"), "--layout", "compact", "--recipe",
        folder.file("found.vq4.recipe.json"), "--calibration", folder.file("calibration"),
        "--no-preview-map", "--quiet",
      ]))
    #expect(try Fixtures.readFile(folder.file("again.vq4")) == model)
  }

  @Test func aStoppedSearchGoesOnToTheSameRecipe() throws {
    let folder = try Self.found.get()
    try hand(folder, to: "stopped.vq4", every: 2)
    try hand(folder, to: "whole.vq4")
    for (name, threads) in [("stopped.vq4", "2"), ("whole.vq4", "1")] {
      expectDone(
        try Self.search(
          folder, name, ["--target-size", "\(Self.target)", "-t", threads, "--dry-run"]))
      #expect(!folder.names().contains(name))
    }
    for ending in ["search", "recipe.json"] {
      let first = try Fixtures.readFile(folder.file("whole.vq4.\(ending)"))
      #expect(try Fixtures.readFile(folder.file("stopped.vq4.\(ending)")) == first, "\(ending)")
    }
  }

  /// What the search makes for itself has none; the file that it finds has them, and is no larger for it.
  @Test func whatIsFoundMayHaveCanaries() throws {
    let folder = try Self.found.get()
    try hand(folder, to: "canaries.vq4")
    expectDone(
      try Self.search(
        folder, "canaries.vq4", ["--target-size", "\(Self.target)", "--canaries"]))
    #expect(try Fixtures.readFile(folder.file("canaries.vq4")).count <= Self.target)
    let checked = try Programs.varlite(["check", folder.file("canaries.vq4")])
    expectDone(checked)
    #expect(checked.text.contains("as designed"), "\(checked.text)")
  }

  @Test func largerRecipesAreExpectedToBeBetter() throws {
    let folder = try Self.found.get()
    try hand(folder, to: "bits.vq4")
    let result = try Self.search(
      folder, "bits.vq4", ["--target-bpw", "9", "--dry-run", "--json"])
    expectDone(result)
    let frontier = try #require(result.json()["frontier"]?.arrayValue)
    #expect(frontier.count > 5)
    for (small, large) in zip(frontier, frontier.dropFirst()) {
      #expect(small["file_bytes"]?.integerValue ?? 0 < large["file_bytes"]?.integerValue ?? 0)
      #expect(small["objective"]?.doubleValue ?? 0 >= large["objective"]?.doubleValue ?? 0)
    }
    let chosen = try #require(result.json()["chosen"]?["bits_per_weight"]?.doubleValue)
    #expect(chosen > 8.9 && chosen <= 9)
  }

  @Test(arguments: [
    (["--target-size", "1M"], "at least"), (["--target-size", "1G"], "at most"),
    (["--target-bpw", "1"], "at least"),
  ])
  func whatIsTooSmallOrTooLargeIsTold(_ target: [String], _ word: String) throws {
    let folder = try Self.found.get()
    let name = "none\(target[0])\(target[1]).vq4"
    try hand(folder, to: name)
    let result = try Self.search(folder, name, target)
    #expect(result.status == Programs.Status.usage, "\(result.errorText)")
    #expect(result.errorLines.count == 1, "\(result.errorText)")
    #expect(result.errorText.contains(word) && result.errorText.contains("give \(target[0]) "))
    #expect(!folder.names().contains(name))
  }

  @Test func nothingOfOthersIsReplaced() throws {
    let folder = try Self.found.get()
    folder.write("kept.vq4.search", Array("Keep this.".utf8))
    let kept = try Self.search(folder, "kept.vq4", ["--target-size", "7M"])
    #expect(kept.status == Programs.Status.usage && kept.errorLines.count == 1)
    #expect(try Fixtures.readFile(folder.file("kept.vq4.search")) == Array("Keep this.".utf8))
    try hand(folder, to: "edited.vq4")
    folder.write("edited.vq4.recipe.json", Array("{}".utf8))
    let edited = try Self.search(folder, "edited.vq4", ["--target-size", "7M", "--dry-run"])
    #expect(edited.status == Programs.Status.usage && edited.errorText.contains("--force"))
    #expect(try Fixtures.readFile(folder.file("edited.vq4.recipe.json")) == Array("{}".utf8))
    for more in [
      ["--dry-run"], ["--search-cases", "2"], ["--target-size", "7M", "--target-bpw", "5"],
      ["--target-size", "7M", "--recipe", "int4"], ["--target-bpw", "0"],
      ["--target-ram", "1G", "--layout", "compact"],
    ] {
      let result = try Programs.varconvert(
        [Fixtures.path("tiny"), "-o", folder.file("usage.vq4")] + more)
      #expect(result.status == Programs.Status.usage, "\(more)")
    }
  }
}
