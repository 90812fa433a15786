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
      for rows in Compute.rowBlocks(count) {
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
      for block in Compute.rowBlocks(rows) {
        run.compute.linear(
          Activations(input + block.lowerBound * first.cols, rows: block.count, cols: first.cols),
          first, into: state.wide, then: .activation(.geluErf))
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
      try weights.with(apart: block.group, "generator.embed") { () throws(ModelError) in
        let layer = weights.layer(block.crossKeyValue)
        for (branch, length) in textLengths.enumerated() {
          let features = branch == 0 ? context : weights.values(unconditionalText)
          for rows in Compute.rowBlocks(length) {
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
        for rows in Compute.rowBlocks(branches * count) {
          storeKeysAndQueries(block, index, rows, scale, state, run.compute)
        }
        for rows in Compute.rowBlocks(branches * count) {
          attendAndFeedForward(block, index, rows, scale, state, run.compute)
        }
      }
      if index == 0 || index == blockReferences.count - 1 {
        let name = index == 0 ? "block0" : "block_last"
        run.trace?.record(
          "s\(scale.index).\(name)", shape: [branches, count, width], floats: state.tokens)
      }
    }
    try weights.with("generator.head") { () throws(ModelError) in
      computeLogits(scale, state, logits, run.compute)
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

  /// The rows of one branch in a block of rows, which is cut from the rows of both.
  private struct BranchRows {
    let branch: Int
    /// Places in the block.
    let rows: Range<Int>
    /// Token of the scale that the first row stands for.
    let firstToken: Int
  }

  private func forEachBranch(
    of rows: Range<Int>, _ scale: Scale, body: (BranchRows) -> Void
  ) {
    let count = scale.grid.tokenCount
    for branch in scale.textLengths.indices {
      let own = rows.clamped(to: branch * count..<(branch + 1) * count)
      guard !own.isEmpty else { continue }
      body(
        BranchRows(
          branch: branch,
          rows: own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound,
          firstToken: own.lowerBound - branch * count))
    }
  }

  /// Every token of a scale sees every other, so all keys are stored before the first query looks.
  private func storeKeysAndQueries(
    _ block: BlockReferences, _ index: Int, _ rows: Range<Int>, _ scale: Scale,
    _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let (heads, headDim) = (configuration.numHeads, configuration.headDim)
    forEachBranch(of: rows, scale) { part in
      modulatedNorm(
        part, of: rows, weight: modulation(block, part.branch, .attentionScale),
        bias: modulation(block, part.branch, .attentionShift), state, compute)
    }
    compute.linear(
      Activations(state.normed, rows: rows.count, cols: width), weights.layer(block.qkv),
      into: state.wide)
    compute.normalizeHeads(
      state.wide, stride: 3 * width, rows: rows.count, heads: heads, headDim: headDim,
      headScale: weights.values(block.headScale))
    compute.normalizeHeads(
      state.wide + width, stride: 3 * width, rows: rows.count, heads: heads, headDim: headDim,
      headScale: nil)
    forEachBranch(of: rows, scale) { part in
      let qkv = state.wide + part.rows.lowerBound * 3 * width
      // The heads of q and then those of k: one run of 2 * heads.
      let offset = part.firstToken * headDim / 2
      compute.rotate(
        qkv, stride: 3 * width, rows: part.rows.count, heads: 2 * heads, headDim: headDim,
        cos: state.cosines + offset, sin: state.sines + offset, pairing: .interleaved)
      compute.store(
        state.caches[part.branch].layer(index), position: scale.cachedTokens + part.firstToken,
        rows: part.rows.count, keys: qkv + width, keyStride: 3 * width, values: qkv + 2 * width,
        valueStride: 3 * width)
    }
    for row in 0..<rows.count {
      (state.queries + (rows.lowerBound + row) * width).update(
        from: state.wide + row * 3 * width, count: width)
    }
  }

  private func attendAndFeedForward(
    _ block: BlockReferences, _ index: Int, _ rows: Range<Int>, _ scale: Scale,
    _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let tokens = state.tokens + rows.lowerBound * width
    let normed = Activations(state.normed, rows: rows.count, cols: width)

    forEachBranch(of: rows, scale) { part in
      attend(
        part, state.queries + rows.lowerBound * width, state.caches[part.branch].layer(index),
        keys: scale.cachedTokens + scale.grid.tokenCount, scale: 1, state, compute)
    }
    compute.linear(normed, weights.layer(block.projection), into: state.wide)
    addScaled(block, .attentionGain, state.wide, to: tokens, of: rows, scale, compute)

    compute.layerNorm(
      Activations(tokens, rows: rows.count, cols: width),
      weight: weights.values(block.crossNormWeight), bias: weights.values(block.crossNormBias),
      eps: Float(configuration.normEps), into: state.normed)
    compute.linear(normed, weights.layer(block.crossQuery), into: state.wide)
    forEachBranch(of: rows, scale) { part in
      attend(
        part, state.wide, state.textCaches[part.branch].layer(index),
        keys: scale.textLengths[part.branch], scale: 1 / Float(configuration.headDim).squareRoot(),
        state, compute)
    }
    compute.linear(
      normed, weights.layer(block.crossProjection), into: state.wide, then: .add(to: tokens))

    forEachBranch(of: rows, scale) { part in
      modulatedNorm(
        part, of: rows, weight: modulation(block, part.branch, .feedForwardScale),
        bias: modulation(block, part.branch, .feedForwardShift), state, compute)
    }
    compute.linear(normed, weights.layer(block.fc1), into: state.wide, then: .activation(.geluTanh))
    compute.linear(
      Activations(state.wide, rows: rows.count, cols: configuration.intermediateSize),
      weights.layer(block.fc2), into: state.normed)
    addScaled(block, .feedForwardGain, state.normed, to: tokens, of: rows, scale, compute)
  }

  /// Layer norm of a branch's tokens into its rows of `state.normed`.
  private func modulatedNorm(
    _ part: BranchRows, of rows: Range<Int>, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    compute.layerNorm(
      Activations(
        state.tokens + (rows.lowerBound + part.rows.lowerBound) * width, rows: part.rows.count,
        cols: width),
      weight: weight, bias: bias, eps: Float(configuration.normEps),
      into: state.normed + part.rows.lowerBound * width)
  }

  /// A branch's rows of `queries` look at the first `keys` positions of a cache, into `state.normed`.
  private func attend(
    _ part: BranchRows, _ queries: UnsafePointer<Float>, _ cache: cvar_kv, keys: Int, scale: Float,
    _ state: ScaleTransformerState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let offset = part.rows.lowerBound * width
    compute.attend(
      cache, queries: queries + offset, queryStride: width, rows: part.rows.count,
      heads: configuration.numHeads, mask: .full(count: keys), scale: scale,
      into: state.normed + offset, outputStride: width)
  }

  /// `tokens += values * gain`, with each branch's own gain.
  private func addScaled(
    _ block: BlockReferences, _ gain: ScaleTransformerWeights.Modulation,
    _ values: UnsafePointer<Float>, to tokens: UnsafeMutablePointer<Float>, of rows: Range<Int>,
    _ scale: Scale, _ compute: Compute
  ) {
    let width = configuration.embedDim
    forEachBranch(of: rows, scale) { part in
      let offset = part.rows.lowerBound * width
      compute.addScaled(
        tokens + offset, values + offset, rows: part.rows.count, cols: width,
        gain: modulation(block, part.branch, gain))
    }
  }

  private func computeLogits(
    _ scale: Scale, _ state: ScaleTransformerState, _ logits: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) {
    let width = configuration.embedDim
    let layer = weights.layer(head)
    for rows in Compute.rowBlocks(scale.textLengths.count * scale.grid.tokenCount) {
      forEachBranch(of: rows, scale) { part in
        let modulation = weights.values(headModulation) + part.branch * 2 * width
        modulatedNorm(
          part, of: rows, weight: modulation, bias: modulation + width, state, compute)
      }
      compute.linear(
        Activations(state.normed, rows: rows.count, cols: width), layer,
        into: logits + rows.lowerBound * layer.rows)
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
