/// The tensors of the generator and of the two projectors between it and the language model (MODEL 2.3, 9.2).
///
/// All adaLN vectors are constants of the checkpoint; the converter folds them into `ada` and `head_ada`, so the
/// conditioning network is not here. Row 0 is the conditional, row 1 the unconditional branch.
package enum ScaleTransformerWeights {
  /// Order of the six vectors in a block's `ada`, g1, g2, s1, s2, b1, b2; the factors are stored as `1 + s`.
  package enum Modulation: Int, CaseIterable {
    case attentionGain, feedForwardGain, attentionFactor, feedForwardFactor, attentionShift
    case feedForwardShift
  }

  package static func tensors(
    _ generator: ScaleTransformerConfiguration, hiddenSize: Int
  ) -> [TensorSpecification] {
    var input = TensorTable(.projector, .projectorIn)
    let width = generator.embedDim
    input.linear("image_gen_projector.mlp.0", width, width)
    input.linear("image_gen_projector.mlp.2", hiddenSize, width)
    var output = TensorTable(.projector, .projectorOut)
    output.linear("image_gen_projector_out.mlp.0", hiddenSize, hiddenSize)
    output.linear("image_gen_projector_out.mlp.2", width, hiddenSize)
    return input.tensors + output.tensors + generatorTensors(generator)
  }

  private static func generatorTensors(
    _ generator: ScaleTransformerConfiguration
  ) -> [TensorSpecification] {
    var table = TensorTable(.generator, .generatorEmbedding)
    let width = generator.embedDim
    table.vector("vargpt_gen.start_tokens", 2, width)
    table.vector("vargpt_gen.lvl_embed.weight", generator.numLevels, width)
    table.vector("vargpt_gen.rotary_inverse_frequencies", generator.headDim / 4)
    table.vector("vargpt_gen.cfg_uncond", generator.textMaxLength, width)
    table.linear("vargpt_gen.word_embed", width, generator.codebookDim)
    for index in 0..<generator.depth {
      table.group = .generatorBlock(index)
      table.layer = index
      let block = "vargpt_gen.blocks.\(index)"
      table.vector(block + ".ada", 2, Modulation.allCases.count, width)
      table.linear(block + ".sa.mat_qkv", 3 * width, width)
      table.vector(block + ".sa.head_scale", generator.numHeads)
      table.linear(block + ".sa.proj", width, width)
      table.norm(block + ".ca_norm", width)
      table.linear(block + ".ca.mat_q", width, width)
      // The keys and values of the text features are computed once per picture, the rest once per scale.
      table.linear(block + ".ca.mat_kv", 2 * width, width, .apart)
      table.linear(block + ".ca.proj", width, width)
      table.linear(block + ".ffn.fc1", generator.intermediateSize, width)
      table.linear(block + ".ffn.fc2", width, generator.intermediateSize)
    }
    table.group = .generatorHead
    table.layer = nil
    table.vector("vargpt_gen.head_ada", 2, 2, width)
    table.linear("vargpt_gen.head", 2 * generator.codebookDim, width)
    return table.tensors
  }
}
