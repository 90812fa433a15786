import VARKernels

/// Buffers of the picture tokenizer for one picture.
package struct BSQVAEState {
  /// Current map and temporary map, `[height, width, channels]`.
  package let current, temporary: UnsafeMutablePointer<Float>
  /// Input of a 3x3 convolution, with its border.
  let padded: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Double>
  let winograd: WinogradScratch

  package struct Layout: Sendable {
    let current, temporary, padded, sums: MemoryPlan.ID
    let winograd: WinogradScratch.Layout
  }

  /// - Parameters:
  ///   - grid: the final grid of tokens.
  ///   - threadCount: threads of the pool that runs the layers.
  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: BSQVAEConfiguration, grid: GridSize,
    threadCount: Int
  ) -> Layout {
    var plain = 0
    var padded = 0
    var sums = 0
    for level in 0..<configuration.levelCount {
      let height = grid.height * configuration.stride >> level
      let width = grid.width * configuration.stride >> level
      // A level's first block reads the map of the coarser level, up-sampled.
      let coarser = min(level + 1, configuration.levelCount - 1)
      let channels = max(
        configuration.channels(level: level), configuration.channels(level: coarser))
      plain = max(plain, height * width * channels)
      padded = max(
        padded, PaddedMap.floatCount(height: height, width: width, channels: channels))
      sums = max(sums, GroupNorm.scratchCount(height: height, channels: channels))
    }
    let channels = (0..<configuration.levelCount).map { configuration.channels(level: $0) }
    return Layout(
      current: plan.reserve("vae.current", floats: plain),
      temporary: plan.reserve("vae.temporary", floats: plain),
      padded: plan.reserve("vae.padded", floats: padded),
      sums: plan.reserve("vae.sums", byteCount: sums * 8),
      winograd: WinogradScratch.reserve(
        &plan, channels: max(channels.max()!, configuration.codebookDim), threadCount: threadCount))
  }

  package init(_ layout: Layout, arena: Arena) {
    current = arena.floats(layout.current)
    temporary = arena.floats(layout.temporary)
    padded = arena.floats(layout.padded)
    sums = arena.raw(layout.sums).assumingMemoryBound(to: Double.self)
    winograd = WinogradScratch(layout.winograd, arena: arena)
  }
}
