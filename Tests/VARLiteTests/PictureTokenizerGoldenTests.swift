import Testing
import VARLite
import VARTestSupport
import VARVision

/// The picture tokenizer's round trip with the reference checkpoint in f32.
@Suite struct PictureTokenizerGoldenTests {
  @Test(arguments: [("vae_0", "scene_3"), ("vae_1", "scene_7")])
  func roundTripMatchesTheReference(id: String, picture: String) throws {
    let recorder = TraceRecorder()
    let result = try TinyModel.f32().reconstruct(
      TinyModel.picture(picture), recorder: recorder)
    let golden = try SafetensorsFile(fixture: "golden/\(id).safetensors")
    let comparison = GoldenComparison(golden: golden, recorder: recorder)
    try comparison.expectClose("raw_features", .hidden)
    for (scale, bits) in result.bits.enumerated() {
      let expected = try golden.integers("s\(scale).bits")
      #expect(bits.map(Int.init) == expected, "bits of scale \(scale)")
    }
    try comparison.expectClose("decode_sum", .hidden, as: "quantized")
    try comparison.expectClose("decoded_from_bits", .pixels, as: "image_float")
    for name in ["dec.conv_in", "dec.mid", "dec.up3", "dec.up4"] where golden.contains(name) {
      try comparison.expectClose(name, .hidden)
    }
  }
}
