import VARKernels

/// Buffers of the vision tower for pictures of at most `patchCapacity` patches.
package struct VisionState {
  /// Residual stream of all patches, `[patchCapacity, embedDim]`.
  package let hidden: Rows
  /// Queries of all patches: they wait until the keys of all patches are stored.
  let queries: Rows
  let rotary: RotaryTables
  let cache: KVCache
  /// Buffers of the patches that go through a block together.
  private let buffers: BlockBuffers<Rows>
  /// Hidden layer of the merger, a row for four patches. It shares memory with `qkv`.
  let mergerHidden: Rows

  package var patchCapacity: Int { hidden.count }

  /// What a block of patches becomes on its way through a layer. Names in one line share memory: each is read for the
  /// last time before the next one is written.
  struct BlockBuffers<Place> {
    let normed, attended, feedForwardOutput: Place
    let qkv, attentionOutput, feedForwardHidden: Place

    func map<Other>(_ transform: (Place) -> Other) -> BlockBuffers<Other> {
      BlockBuffers<Other>(
        normed: transform(normed), attended: transform(attended),
        feedForwardOutput: transform(feedForwardOutput), qkv: transform(qkv),
        attentionOutput: transform(attentionOutput),
        feedForwardHidden: transform(feedForwardHidden))
    }
  }

  package struct Layout: Sendable {
    let hidden, queries: MemoryPlan.RowsID
    let rotary: RotaryTables.Layout
    let buffers: BlockBuffers<MemoryPlan.RowsID>
    let mergerHidden: MemoryPlan.RowsID
    let cache: KVCache.Layout
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: VisionConfiguration, patchCapacity: Int
  ) -> Layout {
    let block = min(patchCapacity, Compute.maximumBlockRows)
    let width = configuration.embedDim
    let hidden = plan.reserve("vision.hidden", rows: patchCapacity, columns: width)
    let queries = plan.reserve("vision.queries", rows: patchCapacity, columns: width)
    let rotary = RotaryTables.reserve(
      &plan, "vision.rotary", rows: patchCapacity, headDim: configuration.headDim)
    let normed = plan.reserve("vision.normed", rows: block, columns: width)
    let wide = plan.reserve(
      "vision.wide", rows: block, columns: max(3 * width, configuration.intermediateSize))
    let merged = configuration.mergedSize
    return Layout(
      hidden: hidden, queries: queries, rotary: rotary,
      buffers: BlockBuffers(
        normed: normed, attended: normed, feedForwardOutput: normed,
        qkv: wide.shared(columns: 3 * width), attentionOutput: wide.shared(columns: width),
        feedForwardHidden: wide.shared(columns: configuration.intermediateSize)),
      mergerHidden: wide.shared(rows: block * width / merged, columns: merged),
      cache: KVCache.Layout.reserve(
        &plan, "vision.kv",
        .init(
          .f32, layerCount: 1, kvHeads: configuration.numHeads, headDim: configuration.headDim),
        capacity: patchCapacity))
  }

  package init(_ layout: Layout, arena: Arena) {
    hidden = arena.rows(layout.hidden)
    queries = arena.rows(layout.queries)
    rotary = RotaryTables(layout.rotary, arena: arena)
    buffers = layout.buffers.map(arena.rows)
    mergerHidden = arena.rows(layout.mergerHidden)
    cache = KVCache(layout.cache, arena: arena)
  }

  /// The buffers of a block of `count` patches.
  func buffers(_ count: Int) -> BlockBuffers<Rows> { buffers.map { $0[..<count] } }
}

extension VisionState.BlockBuffers: Sendable where Place: Sendable {}
