import VARKernels
import VARModels

/// Buffers of one picture that is drawn.
package struct DrawingBuffers {
  let generator: ScaleTransformerState
  /// Keys and values of the unconditional branch in the language model: those of one scale, in one layer at a time.
  let unconditional: KVCache
  /// Final hidden states of a scale's rows in the language model.
  let states: Rows
  /// Logits of a scale's rows, two for each bit.
  let logits: Rows
  /// Text features of the conditional branch.
  let context: Rows
  /// Codes of one scale.
  let codes: Rows
  /// The codes of all scales so far, added up on the final grid, and a map for one summand.
  let sum, scratch: Rows

  package struct Layout {
    let generator: ScaleTransformerState.Layout
    let unconditional: KVCache.Layout
    let states, logits, context, codes, sum, scratch: MemoryPlan.RowsID
  }

  /// - Parameter contextTokens: tokens of the conversation before the one that starts the picture.
  static func reserve(
    _ plan: inout MemoryPlan, for drawing: ImageDrawing, contextTokens: Int, kvType: KVType
  ) -> Layout {
    let language = drawing.configuration.languageModel
    let generator = drawing.configuration.generator
    let (schedule, branches) = (drawing.schedule, drawing.branches)
    let largest = schedule.largestTokenCount
    let steps = drawing.steps
    let largestOfOther = steps.filter { $0.branchCount == 2 }.map(\.readTokenCount).max() ?? 0
    // The unconditional branch has no more text features than the file has rows of them.
    let textLengths = [contextTokens, min(contextTokens, generator.textMaxLength)]
    func map(_ name: String, _ tokens: Int) -> MemoryPlan.RowsID {
      plan.reserve(name, rows: tokens, columns: generator.codebookDim)
    }
    return Layout(
      generator: ScaleTransformerState.reserve(
        &plan, generator, hiddenSize: language.hiddenSize,
        capacity: .init(
          schedule: schedule, textLengths: Array(textLengths[..<branches]),
          drawing.shortcuts),
        kv: (kvType, generator.depth)),
      unconditional: KVCache.Layout.reserve(
        &plan, "llm.kv.unconditional",
        .init(
          kvType, layerCount: 1, kvHeads: language.numKeyValueHeads, headDim: language.headDim,
          hasKeyBias: true),
        capacity: largestOfOther),
      states: plan.reserve(
        "image.states", rows: drawing.largestReadRows, columns: language.hiddenSize),
      logits: plan.reserve(
        "image.logits", rows: steps.map(\.rowCount).max() ?? 0, columns: 2 * generator.codebookDim),
      context: plan.reserve("image.context", rows: contextTokens, columns: generator.embedDim),
      codes: map("image.codes", largest), sum: map("image.sum", schedule.finalGrid.tokenCount),
      scratch: map("image.scratch", schedule.finalGrid.tokenCount))
  }

  package init(_ layout: Layout, arena: Arena) {
    generator = ScaleTransformerState(layout.generator, arena: arena)
    unconditional = KVCache(layout.unconditional, arena: arena)
    states = arena.rows(layout.states)
    logits = arena.rows(layout.logits)
    context = arena.rows(layout.context)
    codes = arena.rows(layout.codes)
    sum = arena.rows(layout.sum)
    scratch = arena.rows(layout.scratch)
  }
}
