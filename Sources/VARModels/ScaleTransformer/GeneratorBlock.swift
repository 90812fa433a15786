import VARKernels

/// One block of the generator at work on a scale.
struct GeneratorBlock {
  let references: ScaleTransformer.BlockReferences
  /// Number of the block, which has a place of its own in the caches.
  let index: Int
  let configuration: ScaleTransformerConfiguration
  let weights: ModelWeights
  let scale: ScaleStep
  let state: ScaleTransformerState
  let compute: Compute

  /// Changes the tokens of the scale, those of both branches, in the order of MODEL 9.5.
  ///
  /// Linear layers take rows of both branches together. Where the branches differ, in their modulation and in what they
  /// look at, each takes its part of the rows.
  func run() {
    let width = configuration.embedDim
    let (q, k, v) = (0..<width, width..<2 * width, 2 * width..<3 * width)

    // X = X + SA( LN(X)*(1+s1) + b1 ) * g1
    //
    // Nothing masks a token of the scale: its first query looks at the key of its last token. So all keys of the scale
    // are stored by a loop of their own, and no query looks before that loop is done.
    for rows in Compute.rowBlocks(scale.rowCount) {
      let buffers = state.buffers(rows.count)
      modulatedNorm(rows, .attentionFactor, .attentionShift, into: buffers.normed)
      linear(buffers.normed, references.qkv, into: buffers.qkv)
      normalizeHeads(buffers.qkv[columns: q], buffers.qkv[columns: k])
      for part in scale.parts(of: rows) { store(buffers.qkv[part.rows], k, v, part) }
      // The next block of rows takes the buffer; the queries wait for the second loop.
      state.queries[rows].copy(from: buffers.qkv[columns: q])
    }
    // What follows mixes no rows but by way of the stored keys, so a block of rows goes on to the end.
    for rows in Compute.rowBlocks(scale.rowCount) {
      let (tokens, buffers) = (state.tokens[rows], state.buffers(rows.count))
      attendToScales(state.queries[rows], rows, into: buffers.attended)
      linear(buffers.attended, references.projection, into: buffers.attentionOutput)
      add(buffers.attentionOutput, times: .attentionGain, rows)

      // X = X + CA( LN_affine(X; ca_norm), ctx_r )
      crossNorm(tokens, into: buffers.normed)
      linear(buffers.normed, references.crossQuery, into: buffers.crossQueries)
      attendToText(buffers.crossQueries, rows, into: buffers.attended)
      linear(
        buffers.attended, references.crossProjection, into: buffers.crossOutput,
        then: .add(to: tokens))

      // X = X + fc2( gelu_tanh( fc1( LN(X)*(1+s2) + b2 ) ) ) * g2
      modulatedNorm(rows, .feedForwardFactor, .feedForwardShift, into: buffers.normed)
      linear(
        buffers.normed, references.fc1, into: buffers.feedForwardHidden,
        then: .activation(.geluTanh))
      linear(buffers.feedForwardHidden, references.fc2, into: buffers.feedForwardOutput)
      add(buffers.feedForwardOutput, times: .feedForwardGain, rows)
    }
  }

  private func linear(
    _ input: Rows, _ reference: LinearReference, into output: Rows,
    then epilogue: Epilogue = .none
  ) {
    compute.linear(input, weights.layer(reference), into: output, then: epilogue)
  }

  /// One of the six vectors of a branch.
  private func vector(
    _ branch: Int, _ vector: ScaleTransformerWeights.Modulation
  ) -> UnsafePointer<Float> {
    let count = ScaleTransformerWeights.Modulation.allCases.count
    let vectors = weights.rows(
      references.modulation, count: 2 * count, columns: configuration.embedDim)
    return UnsafePointer(vectors[branch * count + vector.rawValue])
  }

  /// `LN(X)*(1+s) + b` with each branch's own s and b; the weights hold `1+s`.
  private func modulatedNorm(
    _ rows: Range<Int>, _ factor: ScaleTransformerWeights.Modulation,
    _ shift: ScaleTransformerWeights.Modulation, into normed: Rows
  ) {
    for part in scale.parts(of: rows) {
      compute.layerNorm(
        state.tokens[rows][part.rows], weight: vector(part.branch, factor),
        bias: vector(part.branch, shift), eps: Float(configuration.normEps),
        into: normed[part.rows])
    }
  }

  /// `LN_affine(X; ca_norm)`, the same for both branches.
  private func crossNorm(_ tokens: Rows, into normed: Rows) {
    compute.layerNorm(
      tokens, weight: weights.values(references.crossNormWeight),
      bias: weights.values(references.crossNormBias), eps: Float(configuration.normEps),
      into: normed)
  }

  /// Cosine attention: keys get length 1 and queries the head's own one, which stands for a factor of the softmax.
  private func normalizeHeads(_ queries: Rows, _ keys: Rows) {
    compute.normalizeHeads(
      queries, headDim: configuration.headDim, lengths: weights.values(references.queryLengths))
    compute.normalizeHeads(keys, headDim: configuration.headDim, lengths: nil)
  }

  /// Turns the queries and keys of a branch and stores its keys and values.
  private func store(_ qkv: Rows, _ k: Range<Int>, _ v: Range<Int>, _ part: BranchPart) {
    // The heads of q and k lie side by side and turn by the same angles: one call for both.
    compute.rotate(
      qkv[columns: 0..<k.upperBound], by: state.rotary[part.tokens], pairing: .interleaved)
    compute.store(
      state.branches[part.branch].cache.layer(index),
      position: scale.cachedTokens + part.tokens.lowerBound, keys: qkv[columns: k],
      values: qkv[columns: v])
  }

  /// Every query looks at all tokens of its branch so far; the lengths of the queries have taken the factor's place.
  private func attendToScales(_ queries: Rows, _ rows: Range<Int>, into attended: Rows) {
    for part in scale.parts(of: rows) {
      compute.attend(
        state.branches[part.branch].cache.layer(index), queries: queries[part.rows],
        mask: .full(count: scale.visibleTokens), softmaxFactor: 1, into: attended[part.rows])
    }
  }

  private func attendToText(_ queries: Rows, _ rows: Range<Int>, into attended: Rows) {
    let softmaxFactor = 1 / Float(configuration.headDim).squareRoot()
    for part in scale.parts(of: rows) {
      let branch = state.branches[part.branch]
      compute.attend(
        branch.textCache.layer(index), queries: queries[part.rows],
        mask: .full(count: branch.textLength), softmaxFactor: softmaxFactor,
        into: attended[part.rows])
    }
  }

  /// `X += output * g` with each branch's own g.
  private func add(
    _ output: Rows, times gain: ScaleTransformerWeights.Modulation, _ rows: Range<Int>
  ) {
    for part in scale.parts(of: rows) {
      compute.add(
        output[part.rows], times: vector(part.branch, gain), to: state.tokens[rows][part.rows])
    }
  }
}
