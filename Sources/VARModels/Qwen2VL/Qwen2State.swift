import VARKernels

/// Buffers of the language model for one request.
package struct Qwen2State {
  /// Rows that one call of `forward` may have.
  package let rowCapacity: Int
  /// Residual stream `[rowCapacity, hiddenSize]`.
  package let hidden: UnsafeMutablePointer<Float>
  /// Rotary tables `[rowCapacity, headDim / 2]`.
  let cosines, sines: UnsafeMutablePointer<Float>
  // One block of rows each.
  let normed, queries, keys, values, gate, up: UnsafeMutablePointer<Float>

  package struct Layout: Sendable {
    let rowCapacity: Int
    let hidden, cosines, sines, normed, queries, keys, values, gate, up: MemoryPlan.ID
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: Qwen2Configuration, rowCapacity: Int
  ) -> Layout {
    let block = min(rowCapacity, Compute.maximumBlockRows)
    let half = configuration.headDim / 2
    let width = configuration.hiddenSize
    return Layout(
      rowCapacity: rowCapacity,
      hidden: plan.reserve("llm.hidden", floats: rowCapacity * width),
      cosines: plan.reserve("llm.rotary.cos", floats: rowCapacity * half),
      sines: plan.reserve("llm.rotary.sin", floats: rowCapacity * half),
      normed: plan.reserve("llm.normed", floats: block * width),
      queries: plan.reserve("llm.queries", floats: block * width),
      keys: plan.reserve("llm.keys", floats: block * configuration.keyValueSize),
      values: plan.reserve("llm.values", floats: block * configuration.keyValueSize),
      gate: plan.reserve("llm.gate", floats: block * configuration.intermediateSize),
      up: plan.reserve("llm.up", floats: block * configuration.intermediateSize))
  }

  package init(_ layout: Layout, arena: Arena) {
    rowCapacity = layout.rowCapacity
    hidden = arena.floats(layout.hidden)
    cosines = arena.floats(layout.cosines)
    sines = arena.floats(layout.sines)
    normed = arena.floats(layout.normed)
    queries = arena.floats(layout.queries)
    keys = arena.floats(layout.keys)
    values = arena.floats(layout.values)
    gate = arena.floats(layout.gate)
    up = arena.floats(layout.up)
  }
}
