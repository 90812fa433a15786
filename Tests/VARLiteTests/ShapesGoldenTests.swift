import Testing
import VARCheckpoint
import VARConversion
import VARJSON
import VARLite
import VARQuantization
import VARTestSupport
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The trained demo model in f32 against its recordings. Its original checkpoint (37 MB) is not
/// part of the project; name its folder in VARLITE_SHAPES_CHECKPOINT to run this.
@Suite struct ShapesGoldenTests {
  @Test(
    .enabled(
      if: ShapesCheckpoint.path != nil,
      "VARLITE_SHAPES_CHECKPOINT names no folder with the original checkpoint (37 MB)"))
  func everyCaseMatchesTheReference() throws {
    let checkpoint = try Checkpoint(path: try #require(ShapesCheckpoint.path))
    let folder = TemporaryDirectory()
    let path = folder.path + "/shapes-f32.vq4"
    let options = ConversionOptions(recipe: try Recipe(builtIn: "f32"))
    _ = try Conversion(of: checkpoint, options: options).write(to: path)
    let model = try Model(path: path)
    let cases = try JSONValue(parsing: try Fixtures.bytes("shapes-golden/cases.json"))
    for test in try #require(cases["cases"]?.arrayValue) {
      try check(test, model)
    }
  }

  private func check(_ test: JSONValue, _ model: Model) throws {
    let id = try #require(test["id"]?.stringValue)
    let text = try #require(test["text"]?.stringValue)
    var prompt = Prompt(text)
    if let picture = test["image"]?.stringValue {
      prompt.images = [try ImageDecoder.decode(path: Fixtures.path("shapes-golden/\(picture)"))]
    }
    let golden = try SafetensorsFile(fixture: "shapes-golden/golden.safetensors")
    let recorder = TraceRecorder()
    let comparison = GoldenComparison(golden: golden, recorder: recorder)
    let answer: String
    if test["task"]?.stringValue == "understanding" {
      answer = try model.understand(prompt, recorder: recorder).text
      #expect(try comparison.integers("greedy_ids") == golden.integers("\(id).output_ids"), "\(id)")
    } else {
      let options = DrawingRequest(cfgScale: 1, tau: 1, isGreedy: true)
      let drawing = try model.draw(
        prompt, options: options, instruments: Instruments(recorder: recorder))
      answer = drawing.text
      try checkDrawing(drawing, id, comparison)
    }
    #expect(answer == test["output_text"]?.stringValue, "\(id)")
    #expect(try comparison.integers("input_ids").count > 0)
    let logits = try comparison.floats("step_logits")
    let first = try golden.floats("\(id).first_token_logits")
    comparison.expectClose(
      Array(logits.prefix(first.count)), first, .hidden, "\(id).first_token_logits")
    if !prompt.images.isEmpty {
      try comparison.expectClose("\(id).pixel_values", .hidden, as: "pixel_values")
      try comparison.expectClose("\(id).image_embeds", .hidden, as: "merged")
    }
  }

  private func checkDrawing(
    _ drawing: Response, _ id: String, _ comparison: GoldenComparison
  ) throws {
    for (scale, bits) in drawing.bits.enumerated() {
      #expect(
        try bits.map(Int.init) == comparison.golden.integers("\(id).bits.\(scale)"),
        "\(id), scale \(scale)")
      comparison.expectClose(
        try comparison.floats("s\(scale).logits"),
        try comparison.golden.floats("\(id).bit_logits_after_cfg_and_tau.\(scale)"),
        .guidedLogits, "\(id), logits of scale \(scale)")
    }
    let expected = try comparison.golden.integers("\(id).image_rgb")
    let differences = zip(drawing.image.pixels, expected).map { abs(Int($0) - $1) }
    #expect(differences.count == expected.count && differences.max()! <= 1, "\(id): pixels")
  }
}

enum ShapesCheckpoint {
  static var path: String? { getenv("VARLITE_SHAPES_CHECKPOINT").map { String(cString: $0) } }
}
