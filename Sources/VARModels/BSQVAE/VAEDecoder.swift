import VARKernels

/// Codes on the final grid to pixels (MODEL 10).
///
/// Maps are in f16, or in f32 where all weights of the file's decoder are.
package final class VAEDecoder {
  private let network: VAENetwork
  private let levelCount: Int

  package init(_ configuration: BSQVAEConfiguration, weights: ModelWeights) {
    let root = "vae_local.decoder"
    let last = configuration.levelCount - 1
    var channels = configuration.channels(level: last)
    var stages = [
      VAENetwork.Stage(
        group: .decoderInput,
        operations: [
          .input(VAENetwork.convolution(root + ".conv_in", weights), next: channels),
          .record("dec.conv_in"),
          VAENetwork.residualBlock(root + ".mid.block_1", hasShortcut: false, weights),
          VAENetwork.residualBlock(root + ".mid.block_2", hasShortcut: false, weights),
          .record("dec.mid"),
        ])
    ]
    for level in (0...last).reversed() {
      let out = configuration.channels(level: level)
      var operations = (0...configuration.numResBlocks).map { block in
        defer { channels = out }
        return VAENetwork.residualBlock(
          "\(root).up.\(level).block.\(block)", hasShortcut: channels != out, weights)
      }
      if level > 0 {
        operations.append(
          .upsample(
            VAENetwork.convolution("\(root).up.\(level).upsample.conv", weights),
            next: configuration.channels(level: level - 1)))
      }
      operations.append(.record("dec.up\(level)"))
      stages.append(
        VAENetwork.Stage(group: .decoderLevel(level), operations: operations))
    }
    stages.append(
      VAENetwork.Stage(
        group: .decoderOutput,
        operations: [
          .output(
            VAENetwork.norm(root + ".norm_out", weights),
            VAENetwork.convolution(root + ".conv_out", weights))
        ]))
    levelCount = configuration.levelCount
    network = VAENetwork(
      configuration: configuration, weights: weights,
      mapType: weights.areAllFloat32(.vaeDecoder) ? .f32 : .f16, stages: stages)
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
      &plan, "vae.decoder",
      source: MapShape(
        height: grid.height, width: grid.width, channels: network.configuration.codebookDim),
      division: StripDivision(threadCount: threadCount, rows: stripRows))
  }

  /// - Parameters:
  ///   - codes: rows of `codebookDim` for the places of the grid that the workspace is for.
  ///   - progress: called with the number of finished levels and of all.
  ///   - pixels: gets rows of the picture from above to below, each `[width, 3]` within -1...1, with 16 pixels per
  ///     token along each side.
  package func decode(
    _ codes: Rows, workspace: VAEWorkspace, _ run: RunContext,
    progress: (Int, Int) -> Void = { _, _ in },
    pixels: (_ rows: Range<Int>, _ values: Rows) -> Void
  ) throws(ModelError) {
    let shape = workspace.layout.source
    precondition(
      codes.isContiguous && codes.count == shape.height * shape.width
        && codes.columns == shape.channels, "codes of another grid")
    let source = FeatureMap(reading: codes.pointer, shape: shape)
    let failure = withoutActuallyEscaping(pixels) { pixels -> ModelError? in
      var picture = VAERun(network, workspace: workspace, run, source: source) { rows, values in
        let all = values.values
        for index in all.indices { all[index] = min(max(all[index], -1), 1) }
        pixels(rows, values)
      }
      do throws(ModelError) {
        try picture.run { stages in
          if (2...levelCount + 1).contains(stages) { progress(stages - 1, levelCount) }
        }
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }
}
