import VARKernels

/// Pixels to raw features on the final grid (MODEL 11).
///
/// Maps are in f32, for the signs of the features are the bits of a picture.
package final class VAEEncoder {
  private let network: VAENetwork

  package init(_ configuration: BSQVAEConfiguration, weights: ModelWeights) {
    let root = "vae_local.encoder"
    let last = configuration.levelCount - 1
    var channels = configuration.baseChannels
    var stages = [
      VAENetwork.Stage(
        group: .encoderInput,
        operations: [
          .input(
            VAENetwork.convolution(root + ".conv_in", weights),
            next: configuration.channels(level: 0))
        ])
    ]
    for level in 0...last {
      let out = configuration.channels(level: level)
      var operations = (0..<configuration.numResBlocks).map { block in
        defer { channels = out }
        return VAENetwork.residualBlock(
          "\(root).down.\(level).block.\(block)", hasShortcut: channels != out, weights)
      }
      if level < last {
        operations.append(
          .downsample(
            VAENetwork.convolution("\(root).down.\(level).downsample.conv", weights),
            next: configuration.channels(level: level + 1)))
      }
      stages.append(
        VAENetwork.Stage(group: .encoderLevel(level), operations: operations))
    }
    stages.append(
      VAENetwork.Stage(
        group: .encoderOutput,
        operations: [
          VAENetwork.residualBlock(root + ".mid.block_1", hasShortcut: false, weights),
          VAENetwork.residualBlock(root + ".mid.block_2", hasShortcut: false, weights),
          .output(
            VAENetwork.norm(root + ".norm_out", weights),
            VAENetwork.convolution(root + ".conv_out", weights)),
        ]))
    network = VAENetwork(
      configuration: configuration, weights: weights, mapType: .f32, stages: stages)
  }

  /// The memory that pictures of `grid` tokens take, from the file's directory alone.
  ///
  /// - Parameters:
  ///   - threadCount: threads of the pool that runs the layers.
  ///   - stripRows: rows of outputs in a strip; nil chooses them by the threads. The result is the same.
  package func reserve(
    _ plan: inout MemoryPlan, grid: GridSize, threadCount: Int, stripRows: Int? = nil
  ) -> VAEWorkspace.Layout {
    network.reserve(
      &plan, "vae.encoder", source: source(grid),
      division: StripDivision(threadCount: threadCount, rows: stripRows))
  }

  private func source(_ grid: GridSize) -> MapShape {
    let stride = network.configuration.stride
    return MapShape(height: grid.height * stride, width: grid.width * stride, channels: 3)
  }

  /// - Parameters:
  ///   - pixels: `[height, width, 3]` within -1...1, 16 pixels per token of `grid` along each side.
  /// - Returns: features `[grid.height, grid.width, codebookDim]`.
  package func encode(
    _ pixels: UnsafePointer<Float>, grid: GridSize, workspace: VAEWorkspace, _ run: RunContext
  ) throws(ModelError) -> [Float] {
    let source = FeatureMap(reading: pixels, shape: source(grid))
    let columns = grid.width * network.configuration.codebookDim
    var features = [Float](repeating: 0, count: grid.height * columns)
    var picture = VAERun(network, workspace: workspace, run, source: source) { rows, values in
      features.withMutableRows(columns: columns) { $0[rows].copy(from: values) }
    }
    try picture.run { _ in }
    return features
  }
}
