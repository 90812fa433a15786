import Testing
import VARJSON
import VARTestSupport

/// `varconvert check`: what it prints, and what it leaves of the machine's memory.
@Suite(.serialized) struct CheckTests {
  private static let figures = [
    "sqnr_db", "largest_error", "largest_error_over_rms", "saturated_share", "zero_share",
    "weights", "bits_per_weight", "bytes", "stored_bytes",
  ]

  private func keys(_ value: JSONValue?) -> [String] {
    value?.objectValue?.members.map(\.key) ?? []
  }

  /// The tiny checkpoint in int8.
  private func tinyModel(in folder: TemporaryDirectory) throws -> String {
    let path = folder.file("tiny.vq4")
    expectDone(
      try Programs.varconvert([
        Fixtures.path("tiny"), "-o", path, "--recipe", "int8", "--no-preview-map", "--quiet",
      ]))
    return path
  }

  @Test func theReportHasAllFigures() throws {
    let folder = TemporaryDirectory()
    let arguments = ["check", Fixtures.path("tiny"), try tinyModel(in: folder)]
    let report = try Programs.varconvert(arguments + ["--json", "--threads", "1"])
    expectDone(report)
    #expect(try Programs.varconvert(arguments + ["--json", "--threads", "3"]).text == report.text)
    let json = try JSONValue(parsing: report.text)
    #expect(keys(json) == ["model", "past_limit", "tensors", "worst", "totals"])
    let tensors = try #require(json["tensors"]?.arrayValue)
    let members = ["name", "precision", "relative_error", "limit", "within_limit"] + Self.figures
    #expect(tensors.allSatisfy { keys($0) == members })
    // Norms are exact: there is no noise to compare with.
    let norm = try #require(
      tensors.first { $0["name"]?.stringValue == "model.norm.weight" })
    #expect(norm["sqnr_db"] == .null && norm["largest_error"]?.doubleValue == 0)
    let worst = try #require(json["worst"]?.arrayValue)
    #expect(!worst.isEmpty && worst.count <= 10)
    #expect(
      worst.allSatisfy {
        keys($0) == ["name", "relative_error", "limit", "error_over_limit"]
      })
    let totals = try #require(json["totals"]?.arrayValue)
    #expect(
      totals.allSatisfy { keys($0) == ["precision", "tensors", "relative_error"] + Self.figures })
    #expect(totals.last?["precision"]?.stringValue == "all")
    #expect(totals.last?["tensors"]?.integerValue == tensors.count)
    #expect(
      totals.last?["bytes"]?.integerValue
        == tensors.reduce(0) { $0 + ($1["bytes"]?.integerValue ?? 0) })
  }

  @Test func theTableEndsWithTheVerdict() throws {
    let folder = TemporaryDirectory()
    let model = try tinyModel(in: folder)
    let whole = try Programs.varconvert(["check", Fixtures.path("tiny"), model])
    expectDone(whole)
    let lines = whole.text.split(separator: "\n")
    #expect(lines.first?.contains("SQNR dB") == true)
    #expect(lines.contains { $0.hasPrefix("The largest errors against their limits:") })
    #expect(lines.last?.hasSuffix("tensors, 0 past their limit") == true)
    let quiet = try Programs.varconvert(["check", Fixtures.path("tiny"), model, "--quiet"])
    #expect(quiet.text.split(separator: "\n") == lines.suffix(1))

    SmallCheckpoint().write(to: folder.path)
    let small = folder.file("small.vq4")
    expectDone(try Programs.varconvert([folder.path, "-o", small, "--quiet"]))
    var other = SmallCheckpoint()
    other["lm_head.weight"].values.reverse()
    other.write(to: folder.path)
    let failed = try Programs.varconvert(["check", folder.path, small, "--quiet"])
    #expect(failed.status == 1)
    let failures = failed.text.split(separator: "\n")
    #expect(failures.count == 3 && failures[1].contains("lm_head.weight"))
    #expect(failures.last?.hasSuffix("tensors, 1 past their limit") == true)
  }

  /// A file and a checkpoint, both larger than what the check may take; neither is left in the page cache, and what was
  /// there before stays.
  @Test func memoryAndPageCacheStayAsTheyAre() throws {
    let folder = TemporaryDirectory()
    let (source, model) = (folder.file("source"), folder.file("m.vq4"))
    folder.makeDirectory("source")
    try MidSizeCheckpoint.write(to: source)
    expectDone(
      try Programs.varconvert([
        source, "-o", model, "--recipe", "int8", "--layout", "map", "--no-preview-map", "--quiet",
      ]))
    let shards = MidSizeCheckpoint.shardNames.map { "\(source)/\($0)" }
    var runner = try ProgramRunner.built("varconvert")
    runner.watchesMemory = true
    for path in shards + [model] { try PageCache.evict(path) }
    let before = try (shards + [model]).map { try PageCache.byteCount($0) }
    let cold = try runner.run(["check", source, model, "--quiet", "--threads", "2"])
    expectDone(cold)
    let peak = try #require(cold.peakResidentBytes)
    #expect(peak > 0 && peak < 64 << 20, "\(peak) bytes")
    let after = try (shards + [model]).map { try PageCache.byteCount($0) }
    for (before, after) in zip(before, after) {
      // Headers, tables and small tensors.
      #expect(after - before < 8 << 20, "\(after - before) bytes")
    }

    // Reading brings a file there.
    _ = try Fixtures.readFile(model)
    let held = try PageCache.byteCount(model)
    expectDone(try runner.run(["check", source, model, "--quiet", "--threads", "2"]))
    #expect(try PageCache.byteCount(model) >= held - 1 << 20)
  }
}
