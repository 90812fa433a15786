import VARKernels

/// Codes on the final grid to pixels (ARCHITECTURE 10).
package final class VAEDecoder {
  private let layers: VAELayers
  private let input: LinearReference
  private let middle: [VAELayers.ResidualBlock]
  private let levels: [Level]
  private let outputNorm: VAELayers.Norm
  private let output: LinearReference

  private struct Level {
    let index: Int
    let blocks: [VAELayers.ResidualBlock]
    let upsample: LinearReference?
  }

  package init(_ configuration: BSQVAEConfiguration, weights: ModelWeights) {
    let layers = VAELayers(configuration: configuration, weights: weights)
    self.layers = layers
    let root = "vae_local.decoder"
    let last = configuration.levelCount - 1
    input = layers.convolution(root + ".conv_in")
    middle = [1, 2].map { layers.residualBlock("\(root).mid.block_\($0)", hasShortcut: false) }
    var channels = configuration.channels(level: last)
    var levels: [Level] = []
    for level in (0...last).reversed() {
      let out = configuration.channels(level: level)
      let blocks = (0...configuration.numResBlocks).map { block in
        defer { channels = out }
        return layers.residualBlock(
          "\(root).up.\(level).block.\(block)", hasShortcut: channels != out)
      }
      let upsample =
        level > 0 ? layers.convolution("\(root).up.\(level).upsample.conv") : nil
      levels.append(Level(index: level, blocks: blocks, upsample: upsample))
    }
    self.levels = levels
    outputNorm = layers.norm(root + ".norm_out")
    output = layers.convolution(root + ".conv_out")
  }

  /// - Parameters:
  ///   - codes: `[grid.height, grid.width, codebookDim]`.
  /// - Returns: `[height, width, 3]` within -1...1 in `state.current`, with 16 pixels per token along each side.
  package func decode(
    _ codes: UnsafePointer<Float>, grid: GridSize, state: BSQVAEState, _ run: RunContext,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ModelError) -> UnsafeMutablePointer<Float> {
    let weights = layers.weights
    var size = VAELayers.MapSize(
      height: grid.height, width: grid.width, channels: layers.configuration.codebookDim)
    try weights.with("vae.decoder.input") { () throws(ModelError) in
      layers.convolve(codes, input, &size, state: state, run.compute)
      record("dec.conv_in", size, state, run)
      for block in middle {
        try run.checkCancellation()
        layers.apply(block, &size, state: state, run.compute)
      }
      record("dec.mid", size, state, run)
    }
    for (step, level) in levels.enumerated() {
      try weights.with("vae.decoder.up.\(level.index)") { () throws(ModelError) in
        for block in level.blocks {
          try run.checkCancellation()
          layers.apply(block, &size, state: state, run.compute)
        }
        if let upsample = level.upsample {
          layers.upsample(upsample, &size, state: state, run.compute)
        }
      }
      record("dec.up\(level.index)", size, state, run)
      progress(step + 1, levels.count)
    }
    try weights.with("vae.decoder.output") { () throws(ModelError) in
      layers.normalizeAndConvolve(
        state.current, outputNorm, output, &size, into: state.current, state: state, run.compute)
    }
    for index in 0..<size.height * size.width * 3 {
      state.current[index] = min(max(state.current[index], -1), 1)
    }
    return state.current
  }

  private func record(
    _ name: String, _ size: VAELayers.MapSize, _ state: BSQVAEState, _ run: RunContext
  ) {
    run.trace?.record(
      name, height: size.height, width: size.width, channels: size.channels, map: state.current)
  }
}

extension TraceSink {
  /// Records a map `[height, width, channels]` in the order of the reference, `[1, channels, height, width]`.
  package func record(
    _ name: String, height: Int, width: Int, channels: Int, map: UnsafePointer<Float>
  ) {
    var planes = [Float](repeating: 0, count: height * width * channels)
    for pixel in 0..<height * width {
      for channel in 0..<channels {
        planes[channel * height * width + pixel] = map[pixel * channels + channel]
      }
    }
    record(name, shape: [1, channels, height, width], floats: planes)
  }
}
