import VARKernels

/// The patches of one picture: what the vision tower reads.
package struct VisionPatches {
  /// In 2x2 blocks.
  let rows: Rows
  let grid: GridSize

  /// - Parameters:
  ///   - rows: of `patchValues`, in 2x2 blocks.
  ///   - grid: patches along each side, both even.
  package init(_ rows: Rows, grid: GridSize) {
    precondition(
      rows.count == grid.tokenCount, "\(rows.count) patches on a grid of \(grid.tokenCount)")
    self.rows = rows
    self.grid = grid
  }
}

/// The vision tower with its merger: patches of one picture to embeddings of the language model (MODEL 7).
package final class VisionTower {
  let configuration: VisionConfiguration
  private let hiddenSize: Int
  private let weights: ModelWeights
  private let patchEmbedding: LinearReference
  private let inverseFrequencies: VectorReference
  private let blockReferences: [BlockReferences]
  private let mergerNorm: NormReferences
  private let merger: (first: LinearReference, second: LinearReference)

  private static let normEps: Float = 1e-6

  private struct NormReferences {
    let weight, bias: VectorReference

    init(_ name: String, _ weights: ModelWeights) {
      weight = weights.vector(name + ".weight")
      bias = weights.vector(name + ".bias")
    }
  }

  private struct BlockReferences {
    let group: TensorGroup
    let norm1, norm2: NormReferences
    let qkv, projection, fc1, fc2: LinearReference
  }

  package init(_ configuration: VisionConfiguration, hiddenSize: Int, weights: ModelWeights) {
    self.configuration = configuration
    self.hiddenSize = hiddenSize
    self.weights = weights
    patchEmbedding = weights.linear("visual.patch_embed.proj")
    inverseFrequencies = weights.vector("visual.rotary_inverse_frequencies")
    blockReferences = (0..<configuration.depth).map { index in
      let block = "visual.blocks.\(index)"
      return BlockReferences(
        group: .visionBlock(index),
        norm1: NormReferences(block + ".norm1", weights),
        norm2: NormReferences(block + ".norm2", weights),
        qkv: weights.linear(block + ".attn.qkv"),
        projection: weights.linear(block + ".attn.proj"),
        fc1: weights.linear(block + ".mlp.fc1"), fc2: weights.linear(block + ".mlp.fc2"))
    }
    mergerNorm = NormReferences("visual.merger.ln_q", weights)
    merger = (weights.linear("visual.merger.mlp.0"), weights.linear("visual.merger.mlp.2"))
  }

  /// Encodes one picture.
  ///
  /// - Parameters:
  ///   - output: a row of `hiddenSize` for four patches.
  ///   - progress: called with the number of finished blocks and of all blocks.
  package func encode(
    _ patches: VisionPatches, into output: Rows, state: VisionState, _ run: RunContext,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ModelError) {
    let count = patches.rows.count
    try embed(patches, state: state, run)
    run.trace?.record("patch_embed", state.hidden[..<count])
    run.trace?.record("rot_cos", state.rotary.cosines[..<count])
    for index in blockReferences.indices {
      try forward(block: index, count: count, state: state, run)
      if index == 0 { run.trace?.record("block0", state.hidden[..<count]) }
      progress(index + 1, blockReferences.count)
    }
    run.trace?.record("block_last", state.hidden[..<count])
    try merge(count: count, state: state, into: output, run)
    run.trace?.record("merged", output)
  }

  /// The first step of `encode`: the residual stream of a picture and the angles of its patches.
  package func embed(
    _ patches: VisionPatches, state: VisionState, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.visionEmbedding) { () throws(ModelError) in
      prepareRotary(patches.grid, state.rotary)
      for rows in Compute.rowBlocks(patches.rows.count) {
        run.compute.linear(
          patches.rows[rows], weights.layer(patchEmbedding), into: state.hidden[rows])
      }
    }
  }

  /// One block of `encode` alone.
  package func forward(
    block index: Int, count: Int, state: VisionState, _ run: RunContext
  ) throws(ModelError) {
    let block = blockReferences[index]
    try run.checkCancellation()
    try weights.with(block.group) { () throws(ModelError) in
      forward(block, count, state, run.compute)
    }
  }

  /// The last step of `encode`.
  package func merge(
    count: Int, state: VisionState, into output: Rows, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.visionMerger) { () throws(ModelError) in
      merge(state.hidden[..<count], state, into: output, run.compute)
    }
  }

  /// Angles of a picture's patches, for blocks that run alone.
  package func prepareRotary(
    _ grid: GridSize, state: VisionState, _ run: RunContext
  ) throws(ModelError) {
    try weights.with(.visionEmbedding) { () throws(ModelError) in
      prepareRotary(grid, state.rotary)
    }
  }

  /// Angles are `[y * f, x * f]`; patches come in 2x2 blocks.
  private func prepareRotary(_ grid: GridSize, _ rotary: RotaryTables) {
    let frequencies = weights.values(inverseFrequencies)
    var row = 0
    for blockY in stride(from: 0, to: grid.height, by: 2) {
      for blockX in stride(from: 0, to: grid.width, by: 2) {
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
          rotary.set(row: row, y: blockY + dy, x: blockX + dx, frequencies: frequencies)
          row += 1
        }
      }
    }
  }

  /// One block over the patches of a picture, in the order of MODEL 7.
  private func forward(
    _ block: BlockReferences, _ count: Int, _ state: VisionState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let cache = state.cache.layer(0)

    // x += attn(LN1(x))
    //
    // Attention is full: the first query looks at the last key. So the keys of all patches are stored by a loop of
    // their own, and no query looks before that loop is done.
    for rows in Compute.rowBlocks(count) {
      let buffers = state.buffers(rows.count)
      norm(state.hidden[rows], block.norm1, into: buffers.normed, compute)
      compute.linear(buffers.normed, weights.layer(block.qkv), into: buffers.qkv)
      // The heads of q and k lie side by side and turn by the same angles: one call for both.
      compute.rotate(
        buffers.qkv[columns: 0..<2 * width], by: state.rotary[rows], pairing: .half)
      compute.store(
        cache, position: rows.lowerBound, keys: buffers.qkv[columns: width..<2 * width],
        values: buffers.qkv[columns: 2 * width..<3 * width])
      // The next block of rows takes the buffer; the queries wait for the second loop.
      state.queries[rows].copy(from: buffers.qkv[columns: 0..<width])
    }
    for rows in Compute.rowBlocks(count) {
      let hidden = state.hidden[rows]
      let buffers = state.buffers(rows.count)
      compute.attend(
        cache, queries: state.queries[rows], mask: .full(count: count),
        softmaxFactor: 1 / Float(configuration.headDim).squareRoot(), into: buffers.attended)
      compute.linear(
        buffers.attended, weights.layer(block.projection), into: buffers.attentionOutput,
        then: .add(to: hidden))

      // x += fc2(quick_gelu(fc1(LN2(x)))), which mixes no rows and so goes on in the same loop.
      norm(hidden, block.norm2, into: buffers.normed, compute)
      compute.linear(
        buffers.normed, weights.layer(block.fc1), into: buffers.feedForwardHidden,
        then: .activation(.quickGELU))
      compute.linear(
        buffers.feedForwardHidden, weights.layer(block.fc2), into: buffers.feedForwardOutput,
        then: .add(to: hidden))
    }
  }

  private func norm(
    _ input: Rows, _ references: NormReferences, into output: Rows, _ compute: Compute
  ) {
    compute.layerNorm(
      input, weight: weights.values(references.weight), bias: weights.values(references.bias),
      eps: Self.normEps, into: output)
  }

  private func merge(_ hidden: Rows, _ state: VisionState, into output: Rows, _ compute: Compute) {
    let size = configuration.mergedSize / configuration.embedDim
    for rows in Compute.rowBlocks(hidden.count) {
      let normed = state.buffers(rows.count).normed
      norm(hidden[rows], mergerNorm, into: normed, compute)
      // The four patches of a 2x2 block lie one after the other: the same memory is one merged row.
      let merged = normed.joined(size)
      let mergerHidden = state.mergerHidden[..<merged.count]
      compute.linear(
        merged, weights.layer(merger.first), into: mergerHidden, then: .activation(.geluErf))
      compute.linear(
        mergerHidden, weights.layer(merger.second),
        into: output[rows.lowerBound / size..<rows.upperBound / size])
    }
  }
}
