import Testing
import VARCheckpoint
import VARConversion
import VARModels
import VARQuantization
import VARTestSupport
import VARTokenizer

@Suite struct FaultyCheckpointTests {
  /// The error of a conversion of the small checkpoint after a change.
  private func error(
    config: String? = nil, preprocessor: String? = nil, addedTokens: String? = nil,
    memory: Int? = nil,
    _ change: (inout SmallCheckpoint) -> Void
  ) -> (any Error)? {
    let directory = TemporaryDirectory()
    var small = SmallCheckpoint()
    change(&small)
    small.write(to: directory.path)
    if let config { directory.write("config.json", Array(config.utf8)) }
    if let preprocessor {
      directory.write("preprocessor_config.json", Array(preprocessor.utf8))
    }
    if let addedTokens { directory.write("added_tokens.json", Array(addedTokens.utf8)) }
    do {
      var options = ConversionOptions(recipe: try Recipe(builtIn: "balanced"), threadCount: 2)
      if let memory { options.memoryByteCount = memory }
      _ = try Conversion(of: Checkpoint(path: directory.path), options: options)
        .write(to: directory.path + "/small.vq4")
      return nil
    } catch {
      #expect(!directory.names().contains { $0.hasPrefix("small.vq4") })
      return error
    }
  }

  @Test func theUnchangedCheckpointConverts() { #expect(error { _ in } == nil) }

  @Test(arguments: [
    "model.layers.1.mlp.up_proj.weight", "model.norm.weight", "visual.merger.mlp.0.bias",
    "sos_embedding.weight", "vargpt_gen.shared_ada_lin.1.weight", "lm_head.weight",
    "vargpt_gen.block_chunks.2.module.0.sa.zero_k_bias",
    "vae_local.encoder.down.3.downsample.conv.conv.weight",
  ])
  func aMissingTensorIsNamed(name: String) {
    let error = error { $0.remove(name) } as? ConversionError
    #expect(error?.code == .missingTensor)
    #expect(error?.subject == name)
  }

  @Test func aMissingBlockIsNoticed() {
    let error = error { $0.remove("vargpt_gen.block_chunks.1.module.0.ada_gss") }
    #expect((error as? ConversionError)?.code == .missingTensor)
  }

  /// Without it the others may mean something else.
  @Test(arguments: [
    "model.layers.2.mlp.up_proj.weight", "vargpt_gen.head.weight.scale", "lm_head.weight_mask",
    "model.layers.0.self_attn.o_proj.bias", "visual.blocks.7.norm1.bias", "lm_head.bias",
  ])
  func aTensorThatBelongsToTheModelIsNamed(name: String) {
    let error = error { $0.add(name, 64, 64) } as? ConversionError
    #expect(error?.code == .extraTensor)
    #expect(error?.subject == name)
  }

  @Test func misShapedTensorsAreNamed() {
    let names = [
      "model.layers.0.self_attn.q_proj.weight", "vargpt_gen.pos_start",
      "vae_local.decoder.conv_out.conv.weight", "sos_embedding.weight",
    ]
    for name in names {
      let error =
        error {
          $0[name].shape[0] += 1
          $0[name].values += [Float](
            repeating: 0, count: $0[name].shape.reduce(1, *) - $0[name].values.count)
        } as? ConversionError
      #expect(error?.code == .wrongShape, "\(name)")
      #expect(error?.subject == name)
    }
  }

  @Test func emptyTensorsAreRefused() {
    let error = error {
      $0["vargpt_gen.block_chunks.0.module.0.sa.scale_mul_1H11"].shape = [1, 0, 1, 1]
      $0["vargpt_gen.block_chunks.0.module.0.sa.scale_mul_1H11"].values = []
    }
    #expect((error as? ConversionError)?.code == .wrongShape)
  }

  @Test func headsThatDoNotCutTheWidthAreRefused() {
    let error = error {
      for block in 0..<3 {
        let name = "vargpt_gen.block_chunks.\(block).module.0.sa.scale_mul_1H11"
        $0[name].shape = [1, 3, 1, 1]
        $0[name].values = [0, 0, 0]
      }
    }
    #expect(error is ConfigurationError)
  }

  @Test func valuesThatAreNotFiniteAreNamed() {
    let vector = error { $0["model.norm.weight"].values[7] = .nan } as? ConversionError
    #expect(vector?.code == .notFinite)
    #expect(vector?.detail.hasPrefix("element 7 ") == true)
    let folded = error { $0["vargpt_gen.pos_start"].values[0] = .infinity } as? ConversionError
    #expect(folded?.subject == "vargpt_gen.start_tokens")
    let matrix =
      error { $0["lm_head.weight"].values[64 * 200 + 5] = .infinity } as? QuantizationError
    #expect(matrix?.code == .notFinite)
    #expect(matrix?.subject == "lm_head.weight")
    #expect(matrix?.detail.hasPrefix("row 200, column 5 ") == true)
    let int4 =
      error { $0["image_gen_projector.mlp.0.weight"].values[0] = -.infinity } as? QuantizationError
    #expect(int4?.code == .notFinite)
  }

  @Test func valuesBeyondHalfPrecisionAreNamed() {
    let error = error { $0["vargpt_gen.head.weight"].values[65] = 1e5 } as? QuantizationError
    #expect(error?.code == .tooLarge)
    #expect(error?.detail.hasPrefix("row 1 ") == true)
  }

  @Test(arguments: [
    #"{"patch_size":16}"#, #"{"min_pixels":0}"#, #"{"min_pixels":9000000}"#,
    #"{"image_std":[0,1,1]}"#, #"{"image_mean":[1,1]}"#, #"{"size":{"max_pixels":"many"}}"#,
    #"{"resample":2}"#,
  ])
  func impossiblePreprocessingIsRefused(text: String) {
    let error = error(preprocessor: text) { _ in } as? ConversionError
    #expect(error?.code == .invalidMetadata)
    #expect(error?.subject == "preprocessor_config.json")
  }

  @Test(arguments: [#"{"<|image_gen_start|>":311}"#, #"{"<|image_gen_start|>":310,"<|x|>":320}"#])
  func aTokenizerOfAnotherModelIsRefused(addedTokens: String) {
    let error = error(addedTokens: addedTokens) { _ in } as? ConversionError
    #expect(error?.code == .invalidMetadata)
    #expect(error?.subject == "tokenizer")
  }

  @Test func otherFaultsHaveTheirOwnErrors() {
    #expect((error(memory: 1000) { _ in } as? ConversionError)?.code == .notEnoughMemory)
    #expect((error(config: "{") { _ in } as? CheckpointError)?.code == .malformedJSON)
    #expect(error(config: "{}") { _ in } is ConfigurationError)
    #expect(error(addedTokens: "[") { _ in } is TokenizerError)
  }
}
