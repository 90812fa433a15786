import VARKernels

/// Buffers of the generator for one image.
package struct ScaleTransformerState {
  /// Tokens of the scale at work, those of all branches. First they are the embeddings of its codes, then the projected
  /// states of the language model, which the blocks change in place.
  package let tokens: Rows
  /// Queries of the scale: they wait until the keys of all its rows are stored.
  let queries: Rows
  /// Angles of the scale's tokens, the same for all branches.
  let rotary: RotaryTables
  /// Buffers of the rows that go through a block together.
  private let buffers: BlockBuffers<Rows>
  /// The conditional branch and, with guidance, the unconditional one.
  package private(set) var branches: [Branch]

  /// The same memory for a text of other lengths, which the caches have room for.
  package func reading(textLengths: [Int]) -> ScaleTransformerState {
    var state = self
    state.branches = zip(branches, textLengths).map { branch, length in
      precondition(length <= branch.textCache.layout.capacity, "a text passes its cache")
      return Branch(cache: branch.cache, textCache: branch.textCache, textLength: length)
    }
    return state
  }

  /// What a branch looks at.
  package struct Branch {
    /// Self-attention: keys and values of the scales.
    let cache: KVCache
    /// Cross-attention: keys and values of the text features.
    let textCache: KVCache
    /// Rows of text features.
    package let textLength: Int
  }

  /// What a block of rows becomes on its way through a layer. Names in one line share memory: each is read for the last
  /// time before the next one is written.
  struct BlockBuffers<Place> {
    let normed, attended, feedForwardOutput: Place
    let qkv, attentionOutput, crossQueries, crossOutput, feedForwardHidden: Place
    let textKeysAndValues, inwardHidden, outwardHidden: Place

    func map<Other>(_ transform: (Place) -> Other) -> BlockBuffers<Other> {
      BlockBuffers<Other>(
        normed: transform(normed), attended: transform(attended),
        feedForwardOutput: transform(feedForwardOutput), qkv: transform(qkv),
        attentionOutput: transform(attentionOutput), crossQueries: transform(crossQueries),
        crossOutput: transform(crossOutput), feedForwardHidden: transform(feedForwardHidden),
        textKeysAndValues: transform(textKeysAndValues), inwardHidden: transform(inwardHidden),
        outwardHidden: transform(outwardHidden))
    }
  }

  /// What a state has room for.
  package struct Capacity: Sendable {
    let schedule: ScaleSchedule
    /// Rows of text features per branch.
    let textLengths: [Int]
    let shortcuts: ScaleShortcuts

    package init(
      schedule: ScaleSchedule, textLengths: [Int], _ shortcuts: ScaleShortcuts = .none
    ) {
      self.schedule = schedule
      self.textLengths = textLengths
      self.shortcuts = shortcuts
    }

    /// The scales as they are drawn.
    fileprivate var steps: [ScaleStep] {
      schedule.steps(branchCount: textLengths.count, shortcuts)
    }

    /// Tokens of the scales that a branch takes part in, coarse to fine.
    fileprivate func tokenCounts(ofBranch branch: Int) -> [Int] {
      steps.filter { branch < $0.branchCount }.map(\.tokenCount)
    }
  }

  package struct Layout: Sendable {
    let tokens, queries: MemoryPlan.RowsID
    let rotary: RotaryTables.Layout
    let buffers: BlockBuffers<MemoryPlan.RowsID>
    let caches, textCaches: [KVCache.Layout]
    let textLengths: [Int]
  }

  /// - Parameter kv: type of the caches, and the blocks that they keep: all, or 1 where block follows block over all
  ///   scales.
  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: ScaleTransformerConfiguration, hiddenSize: Int,
    capacity: Capacity, kv: (type: KVType, blockCount: Int)
  ) -> Layout {
    let (schedule, textLengths) = (capacity.schedule, capacity.textLengths)
    let width = configuration.embedDim
    let scaleTokens = schedule.largestTokenCount
    let rows = capacity.steps.map(\.rowCount).max() ?? 0
    let tokens = plan.reserve("generator.tokens", rows: rows, columns: width)
    let queries = plan.reserve("generator.queries", rows: rows, columns: width)
    let rotary = RotaryTables.reserve(
      &plan, "generator.rotary", rows: scaleTokens, headDim: configuration.headDim)
    let buffers = reserveBuffers(&plan, configuration, hiddenSize: hiddenSize)
    let cache = KVCache.Shape(
      kv.type, layerCount: kv.blockCount, kvHeads: configuration.numHeads,
      headDim: configuration.headDim)
    /// Room for so many tokens of each branch, of which later ones do not look at the last.
    func caches(_ name: String, _ tokenCounts: (_ branch: Int) -> [Int]) -> [KVCache.Layout] {
      textLengths.indices.map { branch in
        let counts = tokenCounts(branch)
        return KVCache.Layout.reserve(
          &plan, "\(name).\(branch == 0 ? "conditional" : "unconditional")", cache,
          capacity: counts.dropLast().reduce(0, +), tailCapacity: counts.last ?? 0)
      }
    }
    return Layout(
      tokens: tokens, queries: queries, rotary: rotary, buffers: buffers,
      caches: caches("generator.kv", capacity.tokenCounts),
      textCaches: caches("generator.text_kv") { [textLengths[$0], 0] }, textLengths: textLengths)
  }

  private static func reserveBuffers(
    _ plan: inout MemoryPlan, _ configuration: ScaleTransformerConfiguration, hiddenSize: Int
  ) -> BlockBuffers<MemoryPlan.RowsID> {
    let block = Compute.maximumBlockRows
    let (width, intermediate) = (configuration.embedDim, configuration.intermediateSize)
    let normed = plan.reserve("generator.normed", rows: block, columns: width)
    let wide = plan.reserve(
      "generator.wide", rows: block, columns: max(3 * width, intermediate, hiddenSize))
    return BlockBuffers(
      normed: normed, attended: normed, feedForwardOutput: normed,
      qkv: wide.shared(columns: 3 * width), attentionOutput: wide.shared(columns: width),
      crossQueries: wide.shared(columns: width), crossOutput: wide.shared(columns: width),
      feedForwardHidden: wide.shared(columns: intermediate),
      textKeysAndValues: wide.shared(columns: 2 * width),
      inwardHidden: wide.shared(columns: width), outwardHidden: wide.shared(columns: hiddenSize))
  }

  package init(_ layout: Layout, arena: Arena) {
    tokens = arena.rows(layout.tokens)
    queries = arena.rows(layout.queries)
    rotary = RotaryTables(layout.rotary, arena: arena)
    buffers = layout.buffers.map(arena.rows)
    branches = layout.textLengths.indices.map {
      Branch(
        cache: KVCache(layout.caches[$0], arena: arena),
        textCache: KVCache(layout.textCaches[$0], arena: arena), textLength: layout.textLengths[$0])
    }
  }

  /// The buffers of a block of `count` rows.
  func buffers(_ count: Int) -> BlockBuffers<Rows> { buffers.map { $0[..<count] } }
}

extension ScaleTransformerState.BlockBuffers: Sendable where Place: Sendable {}
