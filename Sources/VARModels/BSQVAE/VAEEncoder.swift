import VARKernels

/// Pixels to raw features on the final grid (ARCHITECTURE 11).
package final class VAEEncoder {
  private let layers: VAELayers
  private let input: LinearReference
  private let levels: [(blocks: [VAELayers.ResidualBlock], downsample: LinearReference?)]
  private let middle: [VAELayers.ResidualBlock]
  private let outputNorm: VAELayers.Norm
  private let output: LinearReference

  package init(_ configuration: BSQVAEConfiguration, weights: ModelWeights) {
    let layers = VAELayers(configuration: configuration, weights: weights)
    self.layers = layers
    let root = "vae_local.encoder"
    let last = configuration.levelCount - 1
    input = layers.convolution(root + ".conv_in")
    var channels = configuration.baseChannels
    levels = (0...last).map { level in
      let out = configuration.channels(level: level)
      let blocks = (0..<configuration.numResBlocks).map { block in
        defer { channels = out }
        return layers.residualBlock(
          "\(root).down.\(level).block.\(block)", hasShortcut: channels != out)
      }
      let downsample =
        level < last ? layers.convolution("\(root).down.\(level).downsample.conv") : nil
      return (blocks, downsample)
    }
    middle = [1, 2].map { layers.residualBlock("\(root).mid.block_\($0)", hasShortcut: false) }
    outputNorm = layers.norm(root + ".norm_out")
    output = layers.convolution(root + ".conv_out")
  }

  /// - Parameters:
  ///   - pixels: `[height, width, 3]` within -1...1, 16 pixels per token of `grid` along each side.
  /// - Returns: features `[grid.height, grid.width, codebookDim]`.
  package func encode(
    _ pixels: UnsafePointer<Float>, grid: GridSize, state: BSQVAEState, _ run: RunContext
  ) throws(ModelError) -> [Float] {
    let weights = layers.weights
    let stride = layers.configuration.stride
    var size = VAELayers.MapSize(
      height: grid.height * stride, width: grid.width * stride, channels: 3)
    try weights.with("vae.encoder.input") { () throws(ModelError) in
      layers.convolve(pixels, input, &size, state: state, run.compute)
    }
    for (index, level) in levels.enumerated() {
      try weights.with("vae.encoder.down.\(index)") { () throws(ModelError) in
        for block in level.blocks {
          try run.checkCancellation()
          layers.apply(block, &size, state: state, run.compute)
        }
        if let downsample = level.downsample {
          layers.convolve(
            state.current, downsample, &size, stride: 2, state: state, run.compute)
        }
      }
    }
    try weights.with("vae.encoder.output") { () throws(ModelError) in
      for block in middle { layers.apply(block, &size, state: state, run.compute) }
      layers.normalizeAndConvolve(
        state.current, outputNorm, output, &size, into: state.current, state: state, run.compute)
    }
    return Array(
      UnsafeBufferPointer(start: state.current, count: size.height * size.width * size.channels))
  }
}
