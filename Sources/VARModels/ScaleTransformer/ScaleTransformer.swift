import CVARKernels
import VARKernels

/// The next-scale generator with its two projectors (ARCHITECTURE 9).
///
/// Rows of both branches go through every block together: the `count` conditional tokens of a scale
/// come first, then, with guidance, the `count` unconditional ones.
package final class ScaleTransformer {
  let configuration: ScaleTransformerConfiguration
  let hiddenSize: Int
  let weights: ModelWeights
  private let blockReferences: [BlockReferences]
  private let startTokens, levelEmbedding, inverseFrequencies: VectorReference
  let unconditionalText: VectorReference
  private let wordEmbedding, head: LinearReference
  private let headModulation: VectorReference
  private let inputProjector: (first: LinearReference, second: LinearReference)
  private let outputProjector: (first: LinearReference, second: LinearReference)

  struct BlockReferences {
    let group: String
    let modulation, headScale, crossNormWeight, crossNormBias: VectorReference
    let qkv, projection, crossQuery, crossKeyValue, crossProjection, fc1, fc2: LinearReference
  }

  package init(
    _ configuration: ScaleTransformerConfiguration, hiddenSize: Int, weights: ModelWeights
  ) {
    self.configuration = configuration
    self.hiddenSize = hiddenSize
    self.weights = weights
    blockReferences = (0..<configuration.depth).map { index in
      let block = "vargpt_gen.blocks.\(index)"
      return BlockReferences(
        group: "generator.blocks.\(index)", modulation: weights.vector(block + ".ada"),
        headScale: weights.vector(block + ".sa.head_scale"),
        crossNormWeight: weights.vector(block + ".ca_norm.weight"),
        crossNormBias: weights.vector(block + ".ca_norm.bias"),
        qkv: weights.linear(block + ".sa.mat_qkv"), projection: weights.linear(block + ".sa.proj"),
        crossQuery: weights.linear(block + ".ca.mat_q"),
        crossKeyValue: weights.linear(block + ".ca.mat_kv"),
        crossProjection: weights.linear(block + ".ca.proj"),
        fc1: weights.linear(block + ".ffn.fc1"), fc2: weights.linear(block + ".ffn.fc2"))
    }
    startTokens = weights.vector("vargpt_gen.start_tokens")
    levelEmbedding = weights.vector("vargpt_gen.lvl_embed.weight")
    inverseFrequencies = weights.vector("vargpt_gen.rotary_inverse_frequencies")
    unconditionalText = weights.vector("vargpt_gen.cfg_uncond")
    wordEmbedding = weights.linear("vargpt_gen.word_embed")
    head = weights.linear("vargpt_gen.head")
    headModulation = weights.vector("vargpt_gen.head_ada")
    inputProjector = (
      weights.linear("image_gen_projector.mlp.0"), weights.linear("image_gen_projector.mlp.2")
    )
    outputProjector = (
      weights.linear("image_gen_projector_out.mlp.0"),
      weights.linear("image_gen_projector_out.mlp.2")
    )
  }

  // MARK: Between the generator and the language model

  /// `output[rows, hiddenSize]` = language model embeddings of the first token; one row per branch.
  package func firstEmbeddings(
    rows: Int, into output: UnsafeMutablePointer<Float>, state: ScaleTransformerState,
    _ run: RunContext
  ) throws(ModelError) {
    let width = configuration.embedDim
    try weights.with("generator.embed") { () throws(ModelError) in
      state.tokens.update(from: weights.values(startTokens), count: rows * width)
    }
    try project(state.tokens, rows: rows, inputProjector, "projector.in", into: output, state, run)
  }

  /// `output[count, hiddenSize]` = embeddings of codes `[count, codebookDim]`.
  package func embeddings(
    ofCodes codes: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>,
    state: ScaleTransformerState, traceName: String, _ run: RunContext
  ) throws(ModelError) {
    let width = configuration.embedDim
    try weights.with("generator.embed") { () throws(ModelError) in
      let layer = weights.layer(wordEmbedding)
      for rows in RowBlocks(count) {
        run.compute.linear(
          Activations(
            codes + rows.lowerBound * layer.cols, rows: rows.count, cols: layer.cols), layer,
          into: state.tokens + rows.lowerBound * width)
      }
    }
    run.trace?.record(
      traceName + ".word_embed", shape: [1, count, width], floats: state.tokens)
    try project(
      state.tokens, rows: count, inputProjector, "projector.in", into: output, state, run)
  }

  /// `output[rows, embedDim]` = language model states `[rows, hiddenSize]` through the outward projector.
  package func projectStates(
    _ states: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
    state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try project(states, rows: rows, outputProjector, "projector.out", into: output, state, run)
  }

  private func project(
    _ input: UnsafePointer<Float>, rows: Int,
    _ projector: (first: LinearReference, second: LinearReference), _ group: String,
    into output: UnsafeMutablePointer<Float>, _ state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try run.checkCancellation()
    try weights.with(group) { () throws(ModelError) in
      let first = weights.layer(projector.first)
      let second = weights.layer(projector.second)
      for block in RowBlocks(rows) {
        run.compute.linear(
          Activations(input + block.lowerBound * first.cols, rows: block.count, cols: first.cols),
          first, into: state.wide)
        run.compute.apply(.geluErf, state.wide, count: block.count * first.rows)
        run.compute.linear(
          Activations(state.wide, rows: block.count, cols: second.cols), second,
          into: output + block.lowerBound * second.rows)
      }
    }
  }

  // MARK: Text features

  /// Keys and values of the text features of both branches, once per image: `context[textLengths[0], embedDim]` is the
  /// conditional branch's; the unconditional branch reads the first rows of `cfg_uncond`.
  package func prepareCrossAttention(
    context: UnsafePointer<Float>, textLengths: [Int], state: ScaleTransformerState,
    _ run: RunContext
  ) throws(ModelError) {
    let width = configuration.embedDim
    for (index, block) in blockReferences.enumerated() {
      try run.checkCancellation()
      try weights.with(block.group, "generator.embed") { () throws(ModelError) in
        let layer = weights.layer(block.crossKeyValue)
        for (branch, length) in textLengths.enumerated() {
          let features = branch == 0 ? context : weights.values(unconditionalText)
          for rows in RowBlocks(length) {
            run.compute.linear(
              Activations(features + rows.lowerBound * width, rows: rows.count, cols: width), layer,
              into: state.wide)
            run.compute.store(
              state.textCaches[branch].layer(index), position: rows.lowerBound, rows: rows.count,
              keys: state.wide, keyStride: 2 * width, values: state.wide + width,
              valueStride: 2 * width)
          }
        }
      }
    }
  }

  // MARK: One scale

  /// What a scale is drawn with.
  package struct Scale {
    package let index: Int
    package let grid: GridSize
    package let ropeReference: GridSize
    /// Tokens of all earlier scales.
    package let cachedTokens: Int
    /// Rows of text features per branch; its count is the number of branches.
    package let textLengths: [Int]

    package init(
      index: Int, grid: GridSize, ropeReference: GridSize, cachedTokens: Int, textLengths: [Int]
    ) {
      self.index = index
      self.grid = grid
      self.ropeReference = ropeReference
      self.cachedTokens = cachedTokens
      self.textLengths = textLengths
    }
  }

  /// Runs all blocks over `state.tokens[branches * count, embedDim]`, which hold the projected states of the language
  /// model, and leaves `logits[branches * count, 2 * codebookDim]`.
  package func forward(
    _ scale: Scale, state: ScaleTransformerState, logits: UnsafeMutablePointer<Float>,
    _ run: RunContext
  ) throws(ModelError) {
    let width = configuration.embedDim
    let count = scale.grid.tokenCount
    let branches = scale.textLengths.count
    try weights.with("generator.embed") { () throws(ModelError) in
      let level = weights.values(levelEmbedding) + scale.index * width
      for row in 0..<branches * count {
        run.compute.add(state.tokens + row * width, level, count: width)
      }
      prepareRotary(scale, state)
    }
    for (index, block) in blockReferences.enumerated() {
      try run.checkCancellation()
      try weights.with(block.group) { () throws(ModelError) in
        for branch in 0..<branches {
          storeKeysAndQueries(block, index, branch, scale, state, run.compute)
        }
        for branch in 0..<branches {
          attendAndFeedForward(block, index, branch, scale, state, run.compute)
        }
      }
      if index == 0 || index == blockReferences.count - 1 {
        let name = index == 0 ? "block0" : "block_last"
        run.trace?.record(
          "s\(scale.index).\(name)", shape: [branches, count, width], floats: state.tokens)
      }
    }
    try weights.with("generator.head") { () throws(ModelError) in
      computeLogits(branches, count, state, logits, run.compute)
    }
  }

  /// Angles are `[Y * f, X * f]` at the token's place on the reference grid.
  private func prepareRotary(_ scale: Scale, _ state: ScaleTransformerState) {
    let frequencies = weights.values(inverseFrequencies)
    let quarter = configuration.headDim / 4
    for y in 0..<scale.grid.height {
      let lookupY = RotaryGrid.position(
        y, of: scale.grid.height, reference: scale.ropeReference.height)
      for x in 0..<scale.grid.width {
        let lookupX = RotaryGrid.position(
          x, of: scale.grid.width, reference: scale.ropeReference.width)
        let row = y * scale.grid.width + x
        let cosines = state.cosines + row * 2 * quarter
        let sines = state.sines + row * 2 * quarter
        for index in 0..<quarter {
          let vertical = Float(lookupY) * frequencies[index]
          let horizontal = Float(lookupX) * frequencies[index]
          cosines[index] = cvar_cos(vertical)
          sines[index] = cvar_sin(vertical)
          cosines[quarter + index] = cvar_cos(horizontal)
          sines[quarter + index] = cvar_sin(horizontal)
        }
      }
    }
  }

  private func modulation(
    _ block: BlockReferences, _ branch: Int, _ vector: ScaleTransformerWeights.Modulation
  ) -> UnsafePointer<Float> {
    let count = ScaleTransformerWeights.Modulation.allCases.count
    return weights.values(block.modulation)
      + (branch * count + vector.rawValue) * configuration.embedDim
  }

  /// Every token of a scale sees every other, so all keys are stored before the first query looks.
  private func storeKeysAndQueries(
    _ block: BlockReferences, _ index: Int, _ branch: Int, _ scale: Scale,
    _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let (heads, headDim) = (configuration.numHeads, configuration.headDim)
    let count = scale.grid.tokenCount
    let cache = state.caches[branch].layer(index)
    for rows in RowBlocks(count) {
      let first = branch * count + rows.lowerBound
      compute.layerNorm(
        Activations(state.tokens + first * width, rows: rows.count, cols: width),
        weight: modulation(block, branch, .attentionScale),
        bias: modulation(block, branch, .attentionShift), eps: Float(configuration.normEps),
        into: state.normed)
      compute.linear(
        Activations(state.normed, rows: rows.count, cols: width), weights.layer(block.qkv),
        into: state.wide)
      compute.normalizeHeads(
        state.wide, stride: 3 * width, rows: rows.count, heads: heads, headDim: headDim,
        headScale: weights.values(block.headScale))
      compute.normalizeHeads(
        state.wide + width, stride: 3 * width, rows: rows.count, heads: heads, headDim: headDim,
        headScale: nil)
      // The heads of q and then those of k: one run of 2 * heads.
      let offset = rows.lowerBound * headDim / 2
      compute.rotate(
        state.wide, stride: 3 * width, rows: rows.count, heads: 2 * heads, headDim: headDim,
        cos: state.cosines + offset, sin: state.sines + offset, pairing: .interleaved)
      compute.store(
        cache, position: scale.cachedTokens + rows.lowerBound, rows: rows.count,
        keys: state.wide + width, keyStride: 3 * width, values: state.wide + 2 * width,
        valueStride: 3 * width)
      for row in 0..<rows.count {
        (state.queries + (first + row) * width).update(
          from: state.wide + row * 3 * width, count: width)
      }
    }
  }

  private func attendAndFeedForward(
    _ block: BlockReferences, _ index: Int, _ branch: Int, _ scale: Scale,
    _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let (heads, headDim) = (configuration.numHeads, configuration.headDim)
    let eps = Float(configuration.normEps)
    let count = scale.grid.tokenCount
    for rows in RowBlocks(count) {
      let first = branch * count + rows.lowerBound
      let tokens = state.tokens + first * width
      let input = Activations(tokens, rows: rows.count, cols: width)
      let normed = Activations(state.normed, rows: rows.count, cols: width)

      compute.attend(
        state.caches[branch].layer(index), queries: state.queries + first * width,
        queryStride: width, rows: rows.count, heads: heads,
        mask: .full(count: scale.cachedTokens + count), scale: 1, into: state.normed,
        outputStride: width)
      compute.linear(normed, weights.layer(block.projection), into: state.wide)
      compute.addScaled(
        tokens, state.wide, rows: rows.count, cols: width,
        gain: modulation(block, branch, .attentionGain))

      compute.layerNorm(
        input, weight: weights.values(block.crossNormWeight),
        bias: weights.values(block.crossNormBias), eps: eps, into: state.normed)
      compute.linear(normed, weights.layer(block.crossQuery), into: state.wide)
      compute.attend(
        state.textCaches[branch].layer(index), queries: state.wide, queryStride: width,
        rows: rows.count, heads: heads, mask: .full(count: scale.textLengths[branch]),
        scale: 1 / Float(headDim).squareRoot(), into: state.normed, outputStride: width)
      compute.linear(normed, weights.layer(block.crossProjection), into: state.wide)
      compute.add(tokens, state.wide, count: rows.count * width)

      compute.layerNorm(
        input, weight: modulation(block, branch, .feedForwardScale),
        bias: modulation(block, branch, .feedForwardShift), eps: eps, into: state.normed)
      compute.linear(normed, weights.layer(block.fc1), into: state.wide)
      compute.apply(.geluTanh, state.wide, count: rows.count * configuration.intermediateSize)
      compute.linear(
        Activations(state.wide, rows: rows.count, cols: configuration.intermediateSize),
        weights.layer(block.fc2), into: state.normed)
      compute.addScaled(
        tokens, state.normed, rows: rows.count, cols: width,
        gain: modulation(block, branch, .feedForwardGain))
    }
  }

  private func computeLogits(
    _ branches: Int, _ count: Int, _ state: ScaleTransformerState,
    _ logits: UnsafeMutablePointer<Float>, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let layer = weights.layer(head)
    for branch in 0..<branches {
      let scale = weights.values(headModulation) + branch * 2 * width
      for rows in RowBlocks(count) {
        let first = branch * count + rows.lowerBound
        compute.layerNorm(
          Activations(state.tokens + first * width, rows: rows.count, cols: width), weight: scale,
          bias: scale + width, eps: Float(configuration.normEps), into: state.normed)
        compute.linear(
          Activations(state.normed, rows: rows.count, cols: width), layer,
          into: logits + first * layer.rows)
      }
    }
  }
}

extension ScaleTransformer {
  /// Records the text features of both branches, one after the other, as the reference lays them out.
  package func traceContext(
    _ context: UnsafePointer<Float>, textLengths: [Int], _ run: RunContext
  ) throws(ModelError) {
    guard let trace = run.trace else { return }
    let width = configuration.embedDim
    var features = Array(UnsafeBufferPointer(start: context, count: textLengths[0] * width))
    if textLengths.count == 2 {
      try weights.with("generator.embed") { () throws(ModelError) in
        features += UnsafeBufferPointer(
          start: weights.values(unconditionalText), count: textLengths[1] * width)
      }
    }
    trace.record("ca_kv", shape: [textLengths.reduce(0, +), width], floats: features)
  }
}
