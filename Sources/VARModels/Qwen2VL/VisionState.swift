import VARKernels

/// Buffers of the vision tower for pictures of at most `patchCapacity` patches.
package struct VisionState {
  package let patchCapacity: Int
  let hidden, queries, cosines, sines, normed, wide: UnsafeMutablePointer<Float>
  let cache: KVCache

  package struct Layout: Sendable {
    let patchCapacity: Int
    let hidden, queries, cosines, sines, normed, wide: MemoryPlan.ID
    let cache: KVCache.Layout
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: VisionConfiguration, patchCapacity: Int
  ) -> Layout {
    let block = min(patchCapacity, Compute.maximumBlockRows)
    let width = configuration.embedDim
    let half = configuration.headDim / 2
    return Layout(
      patchCapacity: patchCapacity,
      hidden: plan.reserve("vision.hidden", floats: patchCapacity * width),
      queries: plan.reserve("vision.queries", floats: patchCapacity * width),
      cosines: plan.reserve("vision.rotary.cos", floats: patchCapacity * half),
      sines: plan.reserve("vision.rotary.sin", floats: patchCapacity * half),
      normed: plan.reserve("vision.normed", floats: block * width),
      wide: plan.reserve(
        "vision.wide", floats: block * max(3 * width, configuration.intermediateSize)),
      cache: KVCache.Layout.reserve(
        &plan, "vision.kv", type: .f32, layerCount: 1, kvHeads: configuration.numHeads,
        headDim: configuration.headDim, capacity: patchCapacity))
  }

  package init(_ layout: Layout, arena: Arena) {
    patchCapacity = layout.patchCapacity
    hidden = arena.floats(layout.hidden)
    queries = arena.floats(layout.queries)
    cosines = arena.floats(layout.cosines)
    sines = arena.floats(layout.sines)
    normed = arena.floats(layout.normed)
    wide = arena.floats(layout.wide)
    cache = KVCache(layout.cache, arena: arena)
  }
}
