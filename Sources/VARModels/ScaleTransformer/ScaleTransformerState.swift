import VARKernels

/// Buffers of the generator for one image.
package struct ScaleTransformerState {
  /// Tokens of the current scale, all branches: `[branches * scaleTokens, embedDim]`.
  package let tokens: UnsafeMutablePointer<Float>
  let queries, cosines, sines, normed, wide: UnsafeMutablePointer<Float>
  /// Self-attention over the scales, per branch.
  let caches: [KVCache]
  /// Cross-attention to the text features, per branch.
  let textCaches: [KVCache]

  package struct Layout: Sendable {
    let tokens, queries, cosines, sines, normed, wide: MemoryPlan.ID
    let caches, textCaches: [KVCache.Layout]
  }

  /// - Parameter textLengths: rows of text features per branch.
  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: ScaleTransformerConfiguration, hiddenSize: Int,
    schedule: ScaleSchedule, textLengths: [Int], kvType: KVType
  ) -> Layout {
    let width = configuration.embedDim
    let half = configuration.headDim / 2
    let branches = textLengths.count
    let scaleTokens = schedule.largestTokenCount
    let rows = branches * scaleTokens
    let block = Compute.maximumBlockRows
    let wide = max(3 * width, configuration.intermediateSize, hiddenSize)
    func caches(
      _ name: String, _ capacities: [Int], tailCapacity: Int = 0
    ) -> [KVCache.Layout] {
      capacities.enumerated().map { branch, capacity in
        KVCache.Layout.reserve(
          &plan, "\(name).\(branch == 0 ? "conditional" : "unconditional")", type: kvType,
          layerCount: configuration.depth, kvHeads: configuration.numHeads,
          headDim: configuration.headDim, capacity: capacity, tailCapacity: tailCapacity)
      }
    }
    return Layout(
      tokens: plan.reserve("generator.tokens", floats: rows * width),
      queries: plan.reserve("generator.queries", floats: rows * width),
      cosines: plan.reserve("generator.rotary.cos", floats: scaleTokens * half),
      sines: plan.reserve("generator.rotary.sin", floats: scaleTokens * half),
      normed: plan.reserve("generator.normed", floats: block * width),
      wide: plan.reserve("generator.wide", floats: block * wide),
      caches: caches(
        "generator.kv", textLengths.map { _ in schedule.tokenCount - schedule.lastTokenCount },
        tailCapacity: schedule.lastTokenCount),
      textCaches: caches("generator.text_kv", textLengths))
  }

  package init(_ layout: Layout, arena: Arena) {
    tokens = arena.floats(layout.tokens)
    queries = arena.floats(layout.queries)
    cosines = arena.floats(layout.cosines)
    sines = arena.floats(layout.sines)
    normed = arena.floats(layout.normed)
    wide = arena.floats(layout.wide)
    caches = layout.caches.map { KVCache($0, arena: arena) }
    textCaches = layout.textCaches.map { KVCache($0, arena: arena) }
  }
}
