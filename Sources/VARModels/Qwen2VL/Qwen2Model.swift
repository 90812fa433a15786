import VARKernels
import VQ4Format

/// The language model: pre-norm decoder layers with grouped-query attention and M-RoPE (MODEL 8).
package final class Qwen2Model {
  /// A run of rows that belong to one sequence and continue its cache.
  package struct SequenceRows {
    package let rows: Range<Int>
    package let cache: KVCache
    /// Cache index of the first row.
    package let firstIndex: Int

    func cacheIndex(of row: Int) -> Int { firstIndex + row - rows.lowerBound }

    package init(rows: Range<Int>, cache: KVCache, firstIndex: Int) {
      self.rows = rows
      self.cache = cache
      self.firstIndex = firstIndex
    }
  }

  let configuration: Qwen2Configuration
  private let weights: ModelWeights
  private let layers: [LayerReferences]
  private let embedding: EmbeddingTable
  private let inverseFrequencies: VectorReference
  private let finalNorm: VectorReference
  /// nil where the file was made without the head: it can read and draw, but not write.
  private let head: LinearReference?

  private struct LayerReferences {
    let index: Int
    let group: TensorGroup
    let inputNorm, postAttentionNorm: VectorReference
    let query, key, value, output, gate, up, down: LinearReference
  }

  package init(_ configuration: Qwen2Configuration, weights: ModelWeights) {
    self.configuration = configuration
    self.weights = weights
    layers = (0..<configuration.numHiddenLayers).map { index in
      let layer = "model.layers.\(index)"
      return LayerReferences(
        index: index, group: .languageLayer(index),
        inputNorm: weights.vector(layer + ".input_layernorm.weight"),
        postAttentionNorm: weights.vector(layer + ".post_attention_layernorm.weight"),
        query: weights.linear(layer + ".self_attn.q_proj"),
        key: weights.linear(layer + ".self_attn.k_proj"),
        value: weights.linear(layer + ".self_attn.v_proj"),
        output: weights.linear(layer + ".self_attn.o_proj"),
        gate: weights.linear(layer + ".mlp.gate_proj"),
        up: weights.linear(layer + ".mlp.up_proj"),
        down: weights.linear(layer + ".mlp.down_proj"))
    }
    let embeddingTensor = weights.index("model.embed_tokens.weight")
    embedding = EmbeddingTable(weights, tensor: embeddingTensor)
    inverseFrequencies = weights.vector("model.rotary_inverse_frequencies")
    finalNorm = weights.vector("model.norm.weight")
    head =
      configuration.tieWordEmbeddings
      ? LinearReference(weight: embeddingTensor, bias: nil)
      : weights.has(.llmHead) ? weights.linear("lm_head") : nil
  }

  /// `output` = the embeddings of tokens.
  package func embed(
    _ ids: ArraySlice<Int32>, into output: Rows, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.languageEmbedding) { () throws(ModelError) in
      try embedding.gather(ids, into: output, run.compute)
    }
  }

  /// Sets the angles of the first rows by their positions.
  package func prepareRotary(
    _ positions: ArraySlice<Qwen2Positions.Position>, _ state: Qwen2State
  ) throws(ModelError) {
    try weights.with(.languageEmbedding) { () throws(ModelError) in
      for (row, position) in positions.enumerated() { setRotary(position, row: row, state) }
    }
  }

  /// Sets the angles of rows whose tokens stand at the same place on all axes.
  ///
  /// - Parameter place: the place of the row with this number among `rows`.
  package func prepareRotary(
    _ rows: Range<Int>, _ state: Qwen2State, place: (_ index: Int) -> Int
  ) throws(ModelError) {
    try weights.with(.languageEmbedding) { () throws(ModelError) in
      for (index, row) in rows.enumerated() {
        setRotary(Qwen2Positions.Position(place(index)), row: row, state)
      }
    }
  }

  private func setRotary(_ position: Qwen2Positions.Position, row: Int, _ state: Qwen2State) {
    let frequencies = weights.values(inverseFrequencies)
    for index in 0..<configuration.headDim / 2 {
      let turns = position.turning(frequency: index, sections: configuration.mropeSection)
      state.rotary.set(Float(turns) * frequencies[index], row: row, index: index)
    }
  }

  /// Runs all layers over the first rows of `state.hidden` in place: those of all sequences, one after the other.
  ///
  /// Rows of all sequences go through each layer together, so that an image needs one pass over the weights per scale.
  package func forward(
    _ sequences: [SequenceRows], state: Qwen2State, _ run: RunContext
  ) throws(ModelError) {
    let rowCount = sequences.last?.rows.upperBound ?? 0
    storeRotary(sequences, state)
    for layer in layers.indices {
      try forward(layer: layer, sequences, state: state, run)
      run.trace?.record("hidden_layer\(layer + 1)", state.hidden[..<rowCount], branches: 1)
    }
  }

  /// Keeps the angles of all rows in the caches that need them: before `forward` of single layers.
  package func storeRotary(_ sequences: [SequenceRows], _ state: Qwen2State) {
    for sequence in sequences {
      sequence.cache.storeRotary(first: sequence.firstIndex, state.rotary[sequence.rows])
    }
  }

  /// One layer of `forward` alone, for passes that take other rows through a layer before they go on to the next one.
  package func forward(
    layer index: Int, _ sequences: [SequenceRows], state: Qwen2State, _ run: RunContext
  ) throws(ModelError) {
    let layer = layers[index]
    try run.checkCancellation()
    try weights.with(layer.group) { () throws(ModelError) in
      for rows in Compute.rowBlocks(sequences.last?.rows.upperBound ?? 0) {
        forward(layer, rows, sequences, state, run.compute)
      }
    }
  }

  /// One layer over a block of rows, in the order of MODEL 8.
  ///
  /// Attention is causal and blocks come in order: the keys of a row lie in its own block, or in one that is done. So a
  /// block goes through the whole layer before the next one begins, and the buffers hold one block only.
  private func forward(
    _ layer: LayerReferences, _ rows: Range<Int>, _ sequences: [SequenceRows],
    _ state: Qwen2State, _ compute: Compute
  ) {
    let (eps, headDim) = (Float(configuration.rmsNormEps), configuration.headDim)
    let (hidden, rotary) = (state.hidden[rows], state.rotary[rows])
    let buffers = state.buffers(rows.count)

    // x = x + W_o attention(q, k, v) of the normed rows; the three products share one int8 form of their input.
    compute.rmsNorm(hidden, weight: weights.values(layer.inputNorm), eps: eps, into: buffers.normed)
    let key = weights.layer(layer.key)
    compute.linear(
      buffers.normed, Projection(weights.layer(layer.query), into: buffers.queries),
      Projection(key, into: buffers.keys),
      Projection(weights.layer(layer.value), into: buffers.values))
    compute.rotate(buffers.queries, by: rotary, pairing: .half)
    compute.rotate(buffers.keys, by: rotary, pairing: .half)
    // Linear layers do not care whose row it is; attention does, for each sequence has a cache of its own.
    for sequence in sequences {
      let own = sequence.rows.clamped(to: rows)
      guard !own.isEmpty else { continue }
      let part = own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound
      let position = sequence.cacheIndex(of: own.lowerBound)
      // A cache in int8 keeps keys without their bias: it may be hundreds of times as large as the rest of a key and
      // would leave the rest no codes.
      let cache = sequence.cache.layer(layer.index, keyBias: key.bias)
      compute.store(
        cache, position: position, keys: buffers.keys[part], values: buffers.values[part])
      compute.attend(
        cache, queries: buffers.queries[part], mask: .causal(first: position),
        softmaxFactor: 1 / Float(headDim).squareRoot(), into: buffers.attended[part])
    }
    compute.linear(
      buffers.attended, weights.layer(layer.output), into: buffers.attentionOutput,
      then: .add(to: hidden))

    // x = x + down(silu(gate x) * up x) of the normed rows.
    compute.rmsNorm(
      hidden, weight: weights.values(layer.postAttentionNorm), eps: eps, into: buffers.normed)
    compute.gatedLinear(
      buffers.normed, gate: Projection(weights.layer(layer.gate), into: buffers.gate),
      up: Projection(weights.layer(layer.up), into: buffers.up))
    compute.linear(
      buffers.gate, weights.layer(layer.down), into: buffers.feedForwardOutput,
      then: .add(to: hidden))
  }

  /// `output` = the final norm of residual rows.
  ///
  /// - Parameter more: other rows whose norm is wanted as well.
  package func normalize(
    _ hidden: Rows, into output: Rows, and more: (hidden: Rows, output: Rows)? = nil,
    _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.languageNorm) { () throws(ModelError) in
      let (weight, eps) = (weights.values(finalNorm), Float(configuration.rmsNormEps))
      run.compute.rmsNorm(hidden, weight: weight, eps: eps, into: output)
      if let more {
        run.compute.rmsNorm(more.hidden, weight: weight, eps: eps, into: more.output)
      }
    }
  }

  /// `logits` = rows of `vocabSize` for hidden states after the final norm. The file must hold the head.
  package func logits(of hidden: Rows, into logits: Rows, _ run: RunContext) throws(ModelError) {
    guard let head else { preconditionFailure("logits without a head") }
    try run.checkCancellation()
    try weights.forEachSlab(of: head.weight) { outputs, layer in
      for row in 0..<hidden.count {
        run.compute.linear(
          hidden[row..<row + 1], layer, into: logits[row..<row + 1][columns: outputs])
      }
    }
  }
}
