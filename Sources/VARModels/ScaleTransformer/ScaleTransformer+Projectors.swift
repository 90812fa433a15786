import VARKernels

// Between the generator and the language model (MODEL 9.3).
extension ScaleTransformer {
  /// A projector, `W2 gelu_erf(W1 x + b1) + b2`.
  struct Projector {
    let group: TensorGroup
    let first, second: LinearReference

    init(_ name: String, group: TensorGroup, _ weights: ModelWeights) {
      self.group = group
      first = weights.linear(name + ".mlp.0")
      second = weights.linear(name + ".mlp.2")
    }
  }

  /// `output` = language model embeddings of the first token, a row for each branch.
  package func firstEmbeddings(
    into output: Rows, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    let tokens = state.tokens[..<output.count]
    try weights.with(.generatorEmbedding) { () throws(ModelError) in
      tokens.copy(
        from: weights.rows(startTokens, count: 2, columns: tokens.columns)[..<output.count])
    }
    try projectInward(tokens, into: output, state, run)
  }

  /// `output` = language model embeddings of codes, rows of `codebookDim`.
  package func embeddings(
    ofCodes codes: Rows, into output: Rows, state: ScaleTransformerState, traceName: String,
    _ run: RunContext
  ) throws(ModelError) {
    let tokens = state.tokens[..<codes.count]
    try weights.with(.generatorEmbedding) { () throws(ModelError) in
      for rows in Compute.rowBlocks(codes.count) {
        run.compute.linear(codes[rows], weights.layer(wordEmbedding), into: tokens[rows])
      }
    }
    run.trace?.record(traceName + ".word_embed", tokens, branches: 1)
    try projectInward(tokens, into: output, state, run)
  }

  private func projectInward(
    _ tokens: Rows, into output: Rows, _ state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try project(tokens, inwardProjector, into: output, run) { state.buffers($0).inwardHidden }
  }

  /// `output` = language model states through the outward projector, rows of `embedDim`.
  package func projectStates(
    _ states: Rows, into output: Rows, state: ScaleTransformerState, _ run: RunContext
  ) throws(ModelError) {
    try project(states, outwardProjector, into: output, run) { state.buffers($0).outwardHidden }
  }

  /// - Parameter hidden: the place of a block's hidden layer, by its number of rows.
  private func project(
    _ input: Rows, _ projector: Projector, into output: Rows, _ run: RunContext,
    hidden: (Int) -> Rows
  ) throws(ModelError) {
    try run.checkCancellation()
    try weights.with(projector.group) { () throws(ModelError) in
      for rows in Compute.rowBlocks(input.count) {
        let hidden = hidden(rows.count)
        run.compute.linear(
          input[rows], weights.layer(projector.first), into: hidden, then: .activation(.geluErf))
        run.compute.linear(hidden, weights.layer(projector.second), into: output[rows])
      }
    }
  }
}
