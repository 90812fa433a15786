import Testing
import VARTestSupport

/// `--trace` writes what the reference's golden files hold, under the same names.
@Suite struct TraceTests {
  /// Folded into other tensors by the converter, or about the reference's own picks.
  private static let absent: Set = ["ada_shared", "cond_vec"]

  private func compare(_ arguments: [String], _ golden: String) throws {
    let folder = TemporaryDirectory()
    let path = folder.file("trace.safetensors")
    expectDone(
      try Programs.varlite(
        arguments + ["-o", "-", "--trace", path, "--greedy", "--tau", "0.5", "--quiet"]))
    let trace = try SafetensorsFile(path: path)
    let golden = try SafetensorsFile(fixture: "golden/\(golden).safetensors")
    for name in golden.names where !Self.absent.contains(name) {
      try #require(trace.contains(name), "\(name)")
      if name == "sequence" { continue }
      let (shape, expected) = (try trace.shape(name), try golden.shape(name))
      #expect(shape.filter { $0 != 1 } == expected.filter { $0 != 1 }, "\(name)")
    }
    for name in ["input_ids", "scale_schedule"] {
      #expect(try trace.integers(name) == golden.integers(name), "\(name)")
    }
    let (pixels, expected) = (try trace.floats("image_float"), try golden.floats("image_float"))
    try #require(pixels.count == expected.count)
    #expect(zip(pixels, expected).allSatisfy { abs($0 - $1) < 0.01 })
    #expect(folder.names() == ["trace.safetensors"])
  }

  @Test func ofADrawing() throws {
    try compare(["generate", Programs.redCircle, "--cfg-scale", "3"], "gen_cfg3")
  }

  @Test func ofAnEdit() throws {
    try compare(
      ["edit", "Make it blue.", "--image", Programs.picture("scene_0"), "--cfg-scale", "3"],
      "edit_cfg3")
  }

  /// A trace replaces an older trace and nothing else.
  @Test func otherFilesAreNotReplaced() throws {
    let folder = TemporaryDirectory()
    let trace = folder.file("trace.safetensors")
    let arguments = ["understand", "Who are you?", "--max-tokens", "1", "--trace"]
    folder.write("notes", "Keep this.")
    expectFailure(
      try Programs.varlite(arguments + [folder.file("notes")]), Programs.Status.usage, "notes",
      "no .safetensors file")
    #expect(try Fixtures.readFile(folder.file("notes")) == Array("Keep this.".utf8))
    for _ in 0..<2 { expectDone(try Programs.varlite(arguments + [trace])) }
    _ = try SafetensorsFile(path: trace)
  }
}
