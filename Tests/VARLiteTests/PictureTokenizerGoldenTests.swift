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
      TinyModel.picture(picture), instruments: Instruments(recorder: recorder))
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

  /// The decoder's convolutions are int8 then, the encoder stays f16.
  @Test(arguments: ["int8", "int4"], ["scene_3", "scene_7"])
  func quantizedDecodersStayClose(recipe: String, picture: String) throws {
    let quantized = try Model(path: TinyModel.path(recipe: recipe))
    let types = quantized.file.tensors.map(\.description)
    let convolutions = types.filter {
      $0.name.hasPrefix("vae_local.decoder.up.") && $0.shape.count == 4
    }
    #expect(convolutions.count > 20 && convolutions.allSatisfy { $0.elementType == .int8 })
    let found = try quantized.reconstruct(TinyModel.picture(picture))
    let expected = try TinyModel.f32().reconstruct(TinyModel.picture(picture))
    #expect(found.bits == expected.bits)
    #expect(peakSignalToNoise(found.picture, expected.picture) >= 45)
  }
}
