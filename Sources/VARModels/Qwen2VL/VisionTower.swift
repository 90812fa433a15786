import CVARKernels
import VARKernels

/// The vision tower with its merger: patches of one picture to embeddings of the language model (ARCHITECTURE 7).
package final class VisionTower {
  let configuration: VisionConfiguration
  private let hiddenSize: Int
  private let weights: ModelWeights
  private let patchEmbedding: LinearReference
  private let inverseFrequencies: VectorReference
  private let blockReferences: [BlockReferences]
  private let mergerNormWeight, mergerNormBias: VectorReference
  private let merger: (first: LinearReference, second: LinearReference)

  private static let normEps: Float = 1e-6

  private struct BlockReferences {
    let group: String
    let norm1Weight, norm1Bias, norm2Weight, norm2Bias: VectorReference
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
        group: "vision.blocks.\(index)",
        norm1Weight: weights.vector(block + ".norm1.weight"),
        norm1Bias: weights.vector(block + ".norm1.bias"),
        norm2Weight: weights.vector(block + ".norm2.weight"),
        norm2Bias: weights.vector(block + ".norm2.bias"),
        qkv: weights.linear(block + ".attn.qkv"),
        projection: weights.linear(block + ".attn.proj"),
        fc1: weights.linear(block + ".mlp.fc1"), fc2: weights.linear(block + ".mlp.fc2"))
    }
    mergerNormWeight = weights.vector("visual.merger.ln_q.weight")
    mergerNormBias = weights.vector("visual.merger.ln_q.bias")
    merger = (weights.linear("visual.merger.mlp.0"), weights.linear("visual.merger.mlp.2"))
  }

  /// Encodes one picture.
  ///
  /// - Parameters:
  ///   - patches: `[grid.tokenCount, patchValues]`, in 2x2 blocks.
  ///   - grid: patches along each side, both even.
  ///   - output: `[grid.tokenCount / 4, hiddenSize]`.
  ///   - progress: called with the number of finished blocks and of all blocks.
  package func encode(
    patches: UnsafePointer<Float>, grid: GridSize, into output: UnsafeMutablePointer<Float>,
    state: VisionState, _ run: RunContext, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ModelError) {
    let count = grid.tokenCount
    let width = configuration.embedDim
    precondition(count <= state.patchCapacity, "\(count) patches pass the plan")
    try weights.with("vision.embed") { () throws(ModelError) in
      prepareRotary(grid, state)
      for rows in Compute.rowBlocks(count) {
        let values = configuration.patchValues
        run.compute.linear(
          Activations(patches + rows.lowerBound * values, rows: rows.count, cols: values),
          weights.layer(patchEmbedding), into: state.hidden + rows.lowerBound * width)
      }
    }
    run.trace?.record("patch_embed", shape: [count, width], floats: state.hidden)
    run.trace?.record(
      "rot_cos", shape: [count, configuration.headDim / 2], floats: state.cosines)
    for (index, block) in blockReferences.enumerated() {
      try run.checkCancellation()
      try weights.with(block.group) { () throws(ModelError) in
        forward(block, count, state, run.compute)
      }
      if index == 0 { run.trace?.record("block0", shape: [count, width], floats: state.hidden) }
      progress(index + 1, blockReferences.count)
    }
    run.trace?.record("block_last", shape: [count, width], floats: state.hidden)
    try weights.with("vision.merger") { () throws(ModelError) in
      merge(count, state, into: output, run.compute)
    }
    run.trace?.record("merged", shape: [count / 4, hiddenSize], floats: output)
  }

  /// Angles are `[y * f, x * f]`; patches come in 2x2 blocks.
  private func prepareRotary(_ grid: GridSize, _ state: VisionState) {
    let frequencies = weights.values(inverseFrequencies)
    let quarter = configuration.headDim / 4
    var row = 0
    for blockY in stride(from: 0, to: grid.height, by: 2) {
      for blockX in stride(from: 0, to: grid.width, by: 2) {
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
          let cosines = state.cosines + row * 2 * quarter
          let sines = state.sines + row * 2 * quarter
          for index in 0..<quarter {
            let vertical = Float(blockY + dy) * frequencies[index]
            let horizontal = Float(blockX + dx) * frequencies[index]
            cosines[index] = cvar_cos(vertical)
            sines[index] = cvar_sin(vertical)
            cosines[quarter + index] = cvar_cos(horizontal)
            sines[quarter + index] = cvar_sin(horizontal)
          }
          row += 1
        }
      }
    }
  }

  private func forward(
    _ block: BlockReferences, _ count: Int, _ state: VisionState, _ compute: Compute
  ) {
    let width = configuration.embedDim
    let headDim = configuration.headDim
    let heads = configuration.numHeads
    let cache = state.cache.layer(0)
    // Every query sees every key, so all keys are stored before the first query looks.
    for rows in Compute.rowBlocks(count) {
      let hidden = state.hidden + rows.lowerBound * width
      compute.layerNorm(
        Activations(hidden, rows: rows.count, cols: width),
        weight: weights.values(block.norm1Weight), bias: weights.values(block.norm1Bias),
        eps: Self.normEps, into: state.normed)
      compute.linear(
        Activations(state.normed, rows: rows.count, cols: width), weights.layer(block.qkv),
        into: state.wide)
      let cosines = state.cosines + rows.lowerBound * headDim / 2
      let sines = state.sines + rows.lowerBound * headDim / 2
      // The heads of q and then those of k: one run of 2 * heads.
      compute.rotate(
        state.wide, stride: 3 * width, rows: rows.count, heads: 2 * heads, headDim: headDim,
        cos: cosines, sin: sines, pairing: .half)
      compute.store(
        cache, position: rows.lowerBound, rows: rows.count, keys: state.wide + width,
        keyStride: 3 * width, values: state.wide + 2 * width, valueStride: 3 * width)
      for row in 0..<rows.count {
        (state.queries + (rows.lowerBound + row) * width).update(
          from: state.wide + row * 3 * width, count: width)
      }
    }
    for rows in Compute.rowBlocks(count) {
      let hidden = state.hidden + rows.lowerBound * width
      compute.attend(
        cache, queries: state.queries + rows.lowerBound * width, queryStride: width,
        rows: rows.count, heads: heads, mask: .full(count: count),
        scale: 1 / Float(headDim).squareRoot(), into: state.normed, outputStride: width)
      let normed = Activations(state.normed, rows: rows.count, cols: width)
      compute.linear(
        normed, weights.layer(block.projection), into: state.wide, then: .add(to: hidden))
      compute.layerNorm(
        Activations(hidden, rows: rows.count, cols: width),
        weight: weights.values(block.norm2Weight), bias: weights.values(block.norm2Bias),
        eps: Self.normEps, into: state.normed)
      compute.linear(
        normed, weights.layer(block.fc1), into: state.wide, then: .activation(.quickGELU))
      compute.linear(
        Activations(state.wide, rows: rows.count, cols: configuration.intermediateSize),
        weights.layer(block.fc2), into: state.normed, then: .add(to: hidden))
    }
  }

  private func merge(
    _ count: Int, _ state: VisionState, into output: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) {
    let width = configuration.embedDim
    let merged = configuration.mergedSize
    let group = merged / width
    for patches in Compute.rowBlocks(count) {
      compute.layerNorm(
        Activations(state.hidden + patches.lowerBound * width, rows: patches.count, cols: width),
        weight: weights.values(mergerNormWeight), bias: weights.values(mergerNormBias),
        eps: Self.normEps, into: state.normed)
      // Four patches of a 2x2 block lie one after the other: the same memory is one merged row.
      let rows = patches.count / group
      compute.linear(
        Activations(state.normed, rows: rows, cols: merged), weights.layer(merger.first),
        into: state.wide, then: .activation(.geluErf))
      compute.linear(
        Activations(state.wide, rows: rows, cols: merged), weights.layer(merger.second),
        into: output + patches.lowerBound / group * hiddenSize)
    }
  }
}
