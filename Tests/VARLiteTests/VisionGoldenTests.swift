import Testing
import VARLite
import VARTestSupport
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The vision tower with the reference checkpoint in f32, stage by stage.
@Suite struct VisionGoldenTests {
  private func encode(_ picture: String) throws -> TraceRecorder {
    let recorder = TraceRecorder()
    _ = try TinyModel.f32().understand(
      Prompt("What?", images: [TinyModel.picture(picture)]),
      sampling: TextSampling(maximumTokens: 1), recorder: recorder)
    return recorder
  }

  @Test(arguments: ["a", "b", "c"]) func everyStageMatchesTheReference(id: String) throws {
    let golden = try SafetensorsFile(fixture: "golden/vit.safetensors")
    let comparison = GoldenComparison(golden: golden, recorder: try encode("img_\(id)"))
    for stage in ["patch_embed", "block0", "block_last", "merged"] {
      try comparison.expectClose("\(id).\(stage)", .hidden, as: stage)
    }
    let angles = try golden.floats("\(id).rot_freqs")
    let cosines = angles.map { Float(cos(Double($0))) }
    comparison.expectClose(
      try comparison.floats("rot_cos"), cosines, Tolerance(absolute: 1e-6, relative: 0),
      "\(id).rot_freqs")
  }

  /// Pictures do not see each other.
  @Test func twoPicturesEqualTheReferencesBatch() throws {
    let golden = try SafetensorsFile(fixture: "golden/vit.safetensors")
    let merged = try ["img_a", "img_c"].flatMap { picture in
      try GoldenComparison(golden: golden, recorder: encode(picture)).floats("merged")
    }
    GoldenComparison(golden: golden, recorder: TraceRecorder()).expectClose(
      merged, try golden.floats("ac_batch.merged"), .hidden, "ac_batch.merged")
  }
}
