import CVARKernels
import VARKernels
import VQ4Format

/// The language model: pre-norm decoder layers with grouped-query attention and M-RoPE (ARCHITECTURE 8).
package final class Qwen2Model {
  /// A run of rows that belong to one sequence and continue its cache.
  package struct SequenceRows {
    package let rows: Range<Int>
    package let cache: KVCache
    /// Cache index of the first row.
    package let firstIndex: Int

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
    let group: String
    let inputNorm, postAttentionNorm: VectorReference
    let query, key, value, output, gate, up, down: LinearReference
  }

  package init(_ configuration: Qwen2Configuration, weights: ModelWeights) {
    self.configuration = configuration
    self.weights = weights
    layers = (0..<configuration.numHiddenLayers).map { index in
      let layer = "model.layers.\(index)"
      return LayerReferences(
        group: "llm.layers.\(index)",
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

  /// `output[ids.count, hiddenSize]` = the embeddings of tokens.
  package func embed(
    _ ids: ArraySlice<Int32>, into output: UnsafeMutablePointer<Float>, _ run: RunContext
  )
    throws(ModelError)
  {
    try weights.with("llm.embed") { () throws(ModelError) in
      try embedding.gather(ids, into: output, run.compute)
    }
  }

  /// Fills cosines and sines of the rows' positions: `[rows, headDim / 2]` each.
  package func prepareRotary(
    _ positions: ArraySlice<Qwen2Positions.Position>, _ state: Qwen2State
  ) throws(ModelError) {
    try weights.with("llm.embed") { () throws(ModelError) in
      for (row, position) in positions.enumerated() { setRotary(position, row: row, state) }
    }
  }

  /// The same for `count` rows from `firstRow` on, whose positions count up on all axes, as those of text do.
  package func prepareRotary(
    countingFrom position: Int, count: Int, firstRow: Int, _ state: Qwen2State
  ) throws(ModelError) {
    try weights.with("llm.embed") { () throws(ModelError) in
      for offset in 0..<count {
        setRotary(Qwen2Positions.Position(position + offset), row: firstRow + offset, state)
      }
    }
  }

  private func setRotary(_ position: Qwen2Positions.Position, row: Int, _ state: Qwen2State) {
    let half = configuration.headDim / 2
    let frequencies = weights.values(inverseFrequencies)
    let sections = configuration.mropeSection
    let cosines = state.cosines + row * half
    let sines = state.sines + row * half
    for index in 0..<half {
      let turns = position.turning(frequency: index, sections: sections)
      let angle = Float(turns) * frequencies[index]
      cosines[index] = cvar_cos(angle)
      sines[index] = cvar_sin(angle)
    }
  }

  /// Runs all layers over `state.hidden[rows]` in place.
  ///
  /// Rows of all sequences go through each layer together, so that an image needs one pass over the weights per scale.
  package func forward(
    _ sequences: [SequenceRows], state: Qwen2State, _ run: RunContext
  ) throws(ModelError) {
    let rowCount = sequences.last?.rows.upperBound ?? 0
    let half = configuration.headDim / 2
    for sequence in sequences {
      let offset = sequence.rows.lowerBound * half
      sequence.cache.storeRotary(
        first: sequence.firstIndex, rows: sequence.rows.count, cosines: state.cosines + offset,
        sines: state.sines + offset)
    }
    for (index, layer) in layers.enumerated() {
      try run.checkCancellation()
      try weights.with(layer.group) { () throws(ModelError) in
        for rows in Compute.rowBlocks(rowCount) {
          attention(layer, index, rows, sequences, state, run.compute)
          feedForward(layer, rows, state, run.compute)
        }
      }
      run.trace?.record(
        "hidden_layer\(index + 1)", shape: [1, rowCount, configuration.hiddenSize],
        floats: state.hidden)
    }
  }

  private func attention(
    _ layer: LayerReferences, _ index: Int, _ rows: Range<Int>, _ sequences: [SequenceRows],
    _ state: Qwen2State, _ compute: Compute
  ) {
    let width = configuration.hiddenSize
    let kvWidth = configuration.keyValueSize
    let headDim = configuration.headDim
    let hidden = state.hidden + rows.lowerBound * width
    compute.rmsNorm(
      Activations(hidden, rows: rows.count, cols: width), weight: weights.values(layer.inputNorm),
      eps: Float(configuration.rmsNormEps), into: state.normed)
    let normed = Activations(state.normed, rows: rows.count, cols: width)
    let key = weights.layer(layer.key)
    compute.linear(
      normed, Projection(weights.layer(layer.query), into: state.queries),
      Projection(key, into: state.keys),
      Projection(weights.layer(layer.value), into: state.values))
    let half = headDim / 2
    let (cosines, sines) = (
      state.cosines + rows.lowerBound * half, state.sines + rows.lowerBound * half
    )
    compute.rotate(
      state.queries, stride: width, rows: rows.count, heads: configuration.numAttentionHeads,
      headDim: headDim, cos: cosines, sin: sines, pairing: .half)
    compute.rotate(
      state.keys, stride: kvWidth, rows: rows.count, heads: configuration.numKeyValueHeads,
      headDim: headDim, cos: cosines, sin: sines, pairing: .half)
    for sequence in sequences {
      let part = sequence.rows.clamped(to: rows)
      guard !part.isEmpty else { continue }
      let local = part.lowerBound - rows.lowerBound
      let cacheIndex = sequence.firstIndex + part.lowerBound - sequence.rows.lowerBound
      let cache = sequence.cache.layer(index, keyBias: key.bias)
      compute.store(
        cache, position: cacheIndex, rows: part.count, keys: state.keys + local * kvWidth,
        keyStride: kvWidth, values: state.values + local * kvWidth, valueStride: kvWidth)
      compute.attend(
        cache, queries: state.queries + local * width, queryStride: width, rows: part.count,
        heads: configuration.numAttentionHeads, mask: .causal(first: cacheIndex),
        scale: 1 / Float(headDim).squareRoot(), into: state.normed + local * width,
        outputStride: width)
    }
    compute.linear(
      normed, weights.layer(layer.output), into: state.queries, then: .add(to: hidden))
  }

  private func feedForward(
    _ layer: LayerReferences, _ rows: Range<Int>, _ state: Qwen2State, _ compute: Compute
  ) {
    let width = configuration.hiddenSize
    let hidden = state.hidden + rows.lowerBound * width
    compute.rmsNorm(
      Activations(hidden, rows: rows.count, cols: width),
      weight: weights.values(layer.postAttentionNorm), eps: Float(configuration.rmsNormEps),
      into: state.normed)
    let normed = Activations(state.normed, rows: rows.count, cols: width)
    compute.gatedLinear(
      normed, gate: Projection(weights.layer(layer.gate), into: state.gate),
      up: Projection(weights.layer(layer.up), into: state.up))
    compute.linear(
      Activations(state.gate, rows: rows.count, cols: configuration.intermediateSize),
      weights.layer(layer.down), into: state.queries, then: .add(to: hidden))
  }

  /// `output[rows.count, hiddenSize]` = the final norm of `state.hidden[rows]`.
  package func normalize(
    _ rows: Range<Int>, state: Qwen2State, into output: UnsafeMutablePointer<Float>,
    _ run: RunContext
  ) throws(ModelError) {
    let width = configuration.hiddenSize
    try weights.with("llm.norm") { () throws(ModelError) in
      run.compute.rmsNorm(
        Activations(state.hidden + rows.lowerBound * width, rows: rows.count, cols: width),
        weight: weights.values(finalNorm), eps: Float(configuration.rmsNormEps), into: output)
    }
  }

  /// `logits[rows, vocabSize]` of hidden states after the final norm. The file must hold the head.
  package func logits(
    of hidden: UnsafePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>,
    _ run: RunContext
  ) throws(ModelError) {
    guard let head else { preconditionFailure("logits without a head") }
    try run.checkCancellation()
    let (width, vocabSize) = (configuration.hiddenSize, configuration.vocabSize)
    try weights.forEachSlab(of: head.weight) { outputs, layer in
      for row in 0..<rows {
        run.compute.linear(
          Activations(hidden + row * width, rows: 1, cols: width), layer,
          into: logits + row * vocabSize + outputs.lowerBound)
      }
    }
  }
}
