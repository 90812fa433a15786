import CVARKernels
import VARKernels

/// The next-scale generator with its two projectors (MODEL 9).
///
/// Rows of both branches go through every block together: `ScaleStep` says which rows are whose.
package final class ScaleTransformer {
  let configuration: ScaleTransformerConfiguration
  let hiddenSize: Int
  let weights: ModelWeights
  private let blockReferences: [BlockReferences]
  let startTokens, unconditionalText: VectorReference
  private let levelEmbedding, inverseFrequencies, headModulation: VectorReference
  let wordEmbedding: LinearReference
  private let head: LinearReference
  /// From the generator to the language model, and back.
  let inwardProjector, outwardProjector: Projector

  struct BlockReferences {
    let group: TensorGroup
    let modulation, queryLengths, crossNormWeight, crossNormBias: VectorReference
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
        group: .generatorBlock(index), modulation: weights.vector(block + ".ada"),
        queryLengths: weights.vector(block + ".sa.head_scale"),
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
    inwardProjector = Projector("image_gen_projector", group: .projectorIn, weights)
    outwardProjector = Projector("image_gen_projector_out", group: .projectorOut, weights)
  }

  /// Keys and values of the text features of both branches, once per image.
  ///
  /// - Parameter context: the conditional branch's features; the unconditional branch reads the first rows of
  ///   `cfg_uncond`.
  package func prepareCrossAttention(
    context: Rows, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    for index in blockReferences.indices {
      try prepareCrossAttention(block: index, context: context, state: state, run)
    }
  }

  /// The same for one block alone.
  package func prepareCrossAttention(
    block index: Int, context: Rows, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try run.checkCancellation()
    try forEachTextPart(block: index, context: context, state: state, run) { branch, rows, values in
      let cache = state.branches[branch].textCache.layer(index)
      store(values, in: cache, from: rows.lowerBound, run.compute)
    }
  }

  /// Keys and values of the text features in one block, a row of both for each feature: those of all branches, one
  /// after the other. `storeText` puts them into the caches.
  package func textKeysAndValues(
    block index: Int, context: Rows, state: ScaleTransformerState, into output: Rows,
    _ run: RunContext
  ) throws(ModelError) {
    try forEachTextPart(block: index, context: context, state: state, run) { branch, rows, values in
      let first = state.branches[..<branch].reduce(0) { $0 + $1.textLength }
      output[first + rows.lowerBound..<first + rows.upperBound].copy(from: values)
    }
  }

  /// Puts what `textKeysAndValues` gave into the caches of a block.
  package func storeText(
    _ keysAndValues: Rows, block index: Int, state: ScaleTransformerState, _ run: RunContext
  ) {
    var first = 0
    for part in state.branches {
      let rows = keysAndValues[first..<first + part.textLength]
      store(rows, in: part.textCache.layer(index), from: 0, run.compute)
      first += part.textLength
    }
  }

  private func forEachTextPart(
    block index: Int, context: Rows, state: ScaleTransformerState, _ run: RunContext,
    _ body: (_ branch: Int, _ rows: Range<Int>, _ keysAndValues: Rows) -> Void
  ) throws(ModelError) {
    let block = blockReferences[index]
    try weights.with(apart: block.group, .generatorEmbedding) { () throws(ModelError) in
      for branch in state.branches.indices {
        let features = textFeatures(branch, context, state)
        for rows in Compute.rowBlocks(features.count) {
          let keysAndValues = state.buffers(rows.count).textKeysAndValues
          run.compute.linear(
            features[rows], weights.layer(block.crossKeyValue), into: keysAndValues)
          body(branch, rows, keysAndValues)
        }
      }
    }
  }

  private func store(
    _ keysAndValues: Rows, in cache: cvar_kv, from position: Int, _ compute: Compute
  ) {
    let width = configuration.embedDim
    compute.store(
      cache, position: position, keys: keysAndValues[columns: 0..<width],
      values: keysAndValues[columns: width..<2 * width])
  }

  /// What a branch's cross-attention looks at; the group `generator.embed` is acquired.
  private func textFeatures(
    _ branch: Int, _ context: Rows, _ state: ScaleTransformerState
  ) -> Rows {
    let length = state.branches[branch].textLength
    return branch == 0
      ? context[..<length]
      : weights.rows(unconditionalText, count: length, columns: configuration.embedDim)
  }

  /// Runs all blocks over the tokens of a scale, which hold the projected states of the language model.
  ///
  /// - Parameter logits: a row of `2 * codebookDim` for each row of the scale.
  package func forward(
    _ scale: ScaleStep, state: ScaleTransformerState, logits: Rows, _ run: RunContext
  ) throws(ModelError) {
    let tokens = state.tokens[..<scale.rowCount]
    try addLevel(scale, state: state, run)
    for index in blockReferences.indices {
      try forward(block: index, scale, state: state, run)
      if index == 0 || index == blockReferences.count - 1 {
        run.trace?.record(
          "s\(scale.index).\(index == 0 ? "block0" : "block_last")", tokens,
          branches: scale.branchCount)
      }
    }
    try computeLogits(scale, state: state, into: logits, run)
  }

  /// The first step of `forward`: tokens are told their scale, and their angles are set.
  package func addLevel(
    _ scale: ScaleStep, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.generatorEmbedding) { () throws(ModelError) in
      let levels = weights.rows(
        levelEmbedding, count: configuration.numLevels, columns: configuration.embedDim)
      run.compute.add(levels[scale.index], toEachOf: state.tokens[..<scale.rowCount])
      prepareRotary(scale, state.rotary)
    }
  }

  /// Angles of a scale's tokens, for blocks that run alone.
  package func prepareRotary(
    _ scale: ScaleStep, state: ScaleTransformerState
  ) throws(ModelError) {
    try weights.with(.generatorEmbedding) { () throws(ModelError) in
      prepareRotary(scale, state.rotary)
    }
  }

  /// One block of `forward` alone.
  package func forward(
    block index: Int, _ scale: ScaleStep, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    let references = blockReferences[index]
    try run.checkCancellation()
    try weights.with(references.group) { () throws(ModelError) in
      GeneratorBlock(
        references: references, index: index, configuration: configuration, weights: weights,
        scale: scale, state: state, compute: run.compute
      ).run()
    }
  }

  /// The last step of `forward`.
  package func computeLogits(
    _ scale: ScaleStep, state: ScaleTransformerState, into logits: Rows, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.generatorHead) { () throws(ModelError) in
      computeLogits(scale, state, into: logits, run.compute)
    }
  }

  /// Angles are `[Y * f, X * f]` at the token's place on the reference grid.
  private func prepareRotary(_ scale: ScaleStep, _ rotary: RotaryTables) {
    let frequencies = weights.values(inverseFrequencies)
    let (grid, reference) = (scale.grid, scale.ropeReference)
    for y in 0..<grid.height {
      let lookupY = RotaryGrid.position(y, of: grid.height, reference: reference.height)
      for x in 0..<grid.width {
        let lookupX = RotaryGrid.position(x, of: grid.width, reference: reference.width)
        rotary.set(row: y * grid.width + x, y: lookupY, x: lookupX, frequencies: frequencies)
      }
    }
  }

  /// `head( LN(X) * (1 + s) + b )` with each branch's own s and b (MODEL 9.3).
  private func computeLogits(
    _ scale: ScaleStep, _ state: ScaleTransformerState, into logits: Rows, _ compute: Compute
  ) {
    let vectors = weights.rows(headModulation, count: 4, columns: configuration.embedDim)
    for rows in Compute.rowBlocks(scale.rowCount) {
      let normed = state.buffers(rows.count).normed
      for part in scale.parts(of: rows) {
        compute.layerNorm(
          state.tokens[rows][part.rows], weight: vectors[2 * part.branch],
          bias: vectors[2 * part.branch + 1], eps: Float(configuration.normEps),
          into: normed[part.rows])
      }
      compute.linear(normed, weights.layer(head), into: logits[rows])
    }
  }

  /// Records the text features of both branches, one after the other, as the reference lays them out.
  package func traceContext(
    _ context: Rows, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    guard let trace = run.trace else { return }
    let width = configuration.embedDim
    let count = state.branches.reduce(0) { $0 + $1.textLength }
    trace.begin("ca_kv", shape: [count, width])
    try weights.with(.generatorEmbedding) { () throws(ModelError) in
      var row = 0
      for branch in state.branches.indices {
        let features = textFeatures(branch, context, state)
        for index in 0..<features.count {
          trace.put(
            "ca_kv", at: (row + index) * width,
            UnsafeBufferPointer(start: features.pointer + index * features.stride, count: width))
        }
        row += features.count
      }
    }
  }
}
