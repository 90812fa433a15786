import VARKernels

/// Buffers of the language model for one request.
package struct Qwen2State {
  /// Residual stream of all rows of a call, `[rowCapacity, hiddenSize]`.
  package let hidden: Rows
  let rotary: RotaryTables
  /// Buffers of the rows that go through a layer together.
  private let buffers: BlockBuffers<Rows>

  /// Rows that one call of `forward` may have.
  package var rowCapacity: Int { hidden.count }

  /// What a block of rows becomes on its way through a layer. Names in one line share memory: each is read for the last
  /// time before the next one is written.
  struct BlockBuffers<Place> {
    let normed, attended: Place
    let queries, attentionOutput, feedForwardOutput: Place
    let keys: Place
    let values: Place
    let gate: Place
    let up: Place

    func map<Other>(_ transform: (Place) -> Other) -> BlockBuffers<Other> {
      BlockBuffers<Other>(
        normed: transform(normed), attended: transform(attended), queries: transform(queries),
        attentionOutput: transform(attentionOutput),
        feedForwardOutput: transform(feedForwardOutput), keys: transform(keys),
        values: transform(values), gate: transform(gate), up: transform(up))
    }
  }

  package struct Layout: Sendable {
    let hidden: MemoryPlan.RowsID
    let rotary: RotaryTables.Layout
    let buffers: BlockBuffers<MemoryPlan.RowsID>
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: Qwen2Configuration, rowCapacity: Int
  ) -> Layout {
    let block = min(rowCapacity, Compute.maximumBlockRows)
    let width = configuration.hiddenSize
    let hidden = plan.reserve("llm.hidden", rows: rowCapacity, columns: width)
    let rotary = RotaryTables.reserve(
      &plan, "llm.rotary", rows: rowCapacity, headDim: configuration.headDim)
    func reserve(_ name: String, _ columns: Int) -> MemoryPlan.RowsID {
      plan.reserve(name, rows: block, columns: columns)
    }
    let normed = reserve("llm.normed", width)
    let queries = reserve("llm.queries", width)
    return Layout(
      hidden: hidden, rotary: rotary,
      buffers: BlockBuffers(
        normed: normed, attended: normed, queries: queries, attentionOutput: queries,
        feedForwardOutput: queries, keys: reserve("llm.keys", configuration.keyValueSize),
        values: reserve("llm.values", configuration.keyValueSize),
        gate: reserve("llm.gate", configuration.intermediateSize),
        up: reserve("llm.up", configuration.intermediateSize)))
  }

  package init(_ layout: Layout, arena: Arena) {
    hidden = arena.rows(layout.hidden)
    rotary = RotaryTables(layout.rotary, arena: arena)
    buffers = layout.buffers.map(arena.rows)
  }

  /// The buffers of a block of `count` rows.
  func buffers(_ count: Int) -> BlockBuffers<Rows> { buffers.map { $0[..<count] } }
}

extension Qwen2State.BlockBuffers: Sendable where Place: Sendable {}
