/// The tensors of the vision tower (MODEL 2.2).
package enum VisionWeights {
  package static func tensors(
    _ vision: VisionConfiguration, hiddenSize: Int
  ) -> [TensorSpecification] {
    var table = TensorTable(.vision, .visionEmbedding)
    let width = vision.embedDim
    // Both frames of a still picture are equal: the converter adds the two temporal slices of the kernel.
    table.linear("visual.patch_embed.proj", width, vision.patchValues, bias: false)
    table.vector("visual.rotary_inverse_frequencies", vision.headDim / 4)
    for index in 0..<vision.depth {
      table.group = .visionBlock(index)
      table.layer = index
      let block = "visual.blocks.\(index)"
      table.norm(block + ".norm1", width)
      table.linear(block + ".attn.qkv", 3 * width, width)
      table.linear(block + ".attn.proj", width, width)
      table.norm(block + ".norm2", width)
      table.linear(block + ".mlp.fc1", vision.intermediateSize, width)
      table.linear(block + ".mlp.fc2", width, vision.intermediateSize)
    }
    table.group = .visionMerger
    table.layer = nil
    table.norm("visual.merger.ln_q", width)
    table.linear("visual.merger.mlp.0", vision.mergedSize, vision.mergedSize)
    table.linear("visual.merger.mlp.2", hiddenSize, vision.mergedSize)
    return table.tensors
  }
}

/// The tensors of the language model (MODEL 2.1).
package enum Qwen2Weights {
  package static func tensors(_ model: Qwen2Configuration) -> [TensorSpecification] {
    embedding(model) + layers(model) + head(model)
  }

  private static func embedding(_ model: Qwen2Configuration) -> [TensorSpecification] {
    var table = TensorTable(.llmEmbedding, .languageEmbedding)
    // A tied table serves as the head too, so it lies in tiles and rows are gathered from them.
    table.add(
      "model.embed_tokens.weight", [model.vocabSize, model.hiddenSize],
      model.tieWordEmbeddings ? .matrix : .table,
      model.tieWordEmbeddings ? .inSlabsAndByRow : .byRow)
    table.vector("model.rotary_inverse_frequencies", model.headDim / 2)
    return table.tensors
  }

  private static func layers(_ model: Qwen2Configuration) -> [TensorSpecification] {
    var table = TensorTable(.llm, .languageLayer(0))
    let width = model.hiddenSize
    for index in 0..<model.numHiddenLayers {
      table.group = .languageLayer(index)
      table.layer = index
      let layer = "model.layers.\(index)"
      table.vector(layer + ".input_layernorm.weight", width)
      table.linear(layer + ".self_attn.q_proj", width, width)
      table.linear(layer + ".self_attn.k_proj", model.keyValueSize, width)
      table.linear(layer + ".self_attn.v_proj", model.keyValueSize, width)
      table.share(
        inputOf: layer + ".self_attn.q_proj", with: layer + ".self_attn.k_proj",
        layer + ".self_attn.v_proj")
      table.linear(layer + ".self_attn.o_proj", width, width, bias: false)
      table.vector(layer + ".post_attention_layernorm.weight", width)
      table.linear(layer + ".mlp.gate_proj", model.intermediateSize, width, bias: false)
      table.linear(layer + ".mlp.up_proj", model.intermediateSize, width, bias: false)
      table.share(inputOf: layer + ".mlp.gate_proj", with: layer + ".mlp.up_proj")
      table.linear(layer + ".mlp.down_proj", width, model.intermediateSize, bias: false)
    }
    table.group = .languageNorm
    table.layer = nil
    table.vector("model.norm.weight", width)
    return table.tensors
  }

  private static func head(_ model: Qwen2Configuration) -> [TensorSpecification] {
    guard !model.tieWordEmbeddings else { return [] }
    var table = TensorTable(.llmHead, .languageHead)
    // By far the largest matrix, and no other weights are needed with it.
    table.linear("lm_head", model.vocabSize, model.hiddenSize, bias: false, .inSlabs)
    return table.tensors
  }
}
