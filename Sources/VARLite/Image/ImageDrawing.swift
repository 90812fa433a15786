import VARKernels
import VARModels

/// What the loop over scales gives.
package struct DrawnCodes {
  /// Bits of each scale that the picture consists of.
  var bits: [[UInt8]] = []
  /// Bits that the model drew; others than `bits` only where bits were forced.
  var ownBits: [[UInt8]] = []
  /// Sum of the codes on the final grid, `[tokens, codebookDim]`.
  package var codes: [Float] = []
}

/// Draws one picture after a conversation: the loop over scales (ARCHITECTURE 9.3).
package struct ImageDrawing {
  package struct Layout {
    let generator: ScaleTransformerState.Layout
    let unconditional: KVCache.Layout
    let states, logits, context, codes, sum, scratch: MemoryPlan.ID
  }

  let model: ScaleTransformer
  let modelPath: String
  let configuration: VARGPTConfiguration
  let schedule: ScaleSchedule
  let sampler: BitSampler
  /// Bits to use instead of drawing, per scale: measures a model with the history forced.
  private(set) var forcedBits: [[UInt8]]?

  /// - Throws: `invalidRequest` unless `bits` are `[tokens, codebookDim]` for each scale.
  mutating func force(_ bits: [[UInt8]]) throws(GenerationError) {
    let counts = schedule.scales.map { $0.tokenCount * configuration.generator.codebookDim }
    guard bits.map(\.count) == counts else {
      throw GenerationError(
        .invalidRequest, "forced bits of \(bits.map(\.count)), the scales take \(counts)")
    }
    forcedBits = bits
  }

  package init(
    model: ScaleTransformer, modelPath: String, configuration: VARGPTConfiguration,
    schedule: ScaleSchedule, sampler: BitSampler, forcedBits: [[UInt8]]? = nil
  ) {
    self.model = model
    self.modelPath = modelPath
    self.configuration = configuration
    self.schedule = schedule
    self.sampler = sampler
    self.forcedBits = forcedBits
  }

  var branches: Int { sampler.cfgScale == 1 ? 1 : 2 }

  /// Rows of text features per branch for a conversation of `contextTokens` tokens before the start of the picture.
  private func textLengths(_ contextTokens: Int) -> [Int] {
    branches == 1
      ? [contextTokens]
      : [contextTokens, min(contextTokens, configuration.generator.textMaxLength)]
  }

  /// Rows that the language model gets per scale at most.
  package var largestRows: Int { branches * schedule.largestTokenCount }

  package func reserve(
    _ plan: inout MemoryPlan, contextTokens: Int, kvType: KVType
  ) -> Layout {
    let language = configuration.languageModel
    let bits = configuration.generator.codebookDim
    let largest = schedule.largestTokenCount
    let rows = branches * largest
    return Layout(
      generator: ScaleTransformerState.reserve(
        &plan, configuration.generator, hiddenSize: language.hiddenSize, schedule: schedule,
        textLengths: textLengths(contextTokens), kvType: kvType),
      unconditional: KVCache.Layout.reserve(
        &plan, "llm.kv.unconditional", type: kvType, layerCount: 1,
        kvHeads: language.numKeyValueHeads, headDim: language.headDim,
        capacity: branches == 1 ? 0 : largest, hasKeyBias: true),
      states: plan.reserve("image.states", floats: rows * language.hiddenSize),
      logits: plan.reserve("image.logits", floats: rows * 2 * bits),
      context: plan.reserve(
        "image.context", floats: contextTokens * configuration.generator.embedDim),
      codes: plan.reserve("image.codes", floats: largest * bits),
      sum: plan.reserve("image.sum", floats: schedule.finalGrid.tokenCount * bits),
      scratch: plan.reserve("image.scratch", floats: schedule.finalGrid.tokenCount * bits))
  }

  /// - Parameters:
  ///   - session: a conversation whose last token starts the picture.
  ///   - begin: called before the scales, whose weights are others than those of the text features.
  package func draw(
    _ session: LanguageSession, layout: Layout, arena: Arena, _ run: RunContext,
    begin: (WeightPhase) throws -> Void = { _ in },
    progress: (Int, Int) -> Void
  ) throws -> DrawnCodes {
    let generator = ScaleTransformerState(layout.generator, arena: arena)
    let unconditional = KVCache(layout.unconditional, arena: arena)
    let quantizer = BinaryQuantizer(
      codebookDim: configuration.generator.codebookDim, schedule: schedule)
    let sum = arena.floats(layout.sum)
    let codes = arena.floats(layout.codes)
    // The hidden state of the token that starts the picture is not among the text features.
    let contextTokens = session.ids.count - 1
    let lengths = textLengths(contextTokens)
    try prepareContext(session, contextTokens, lengths, layout, arena, generator, run)
    try begin(.drawing(scaleCount: schedule.scales.count))
    try model.firstEmbeddings(
      rows: branches, into: session.state.hidden, state: generator, run)

    var drawn = DrawnCodes()
    drawn.bits.reserveCapacity(schedule.scales.count)
    drawn.ownBits = schedule.scales.map {
      [UInt8](repeating: 0, count: $0.tokenCount * quantizer.codebookDim)
    }
    var sequences: [Qwen2Model.SequenceRows] = []
    sequences.reserveCapacity(branches)
    var drawnTokens = 0
    // From here on nothing allocates.
    for (index, grid) in schedule.scales.enumerated() {
      progress(index, drawnTokens)
      let scale = ScaleTransformer.Scale(
        index: index, grid: grid, ropeReference: schedule.ropeReference,
        cachedTokens: drawnTokens, textLengths: lengths)
      sequences.removeAll(keepingCapacity: true)
      let firstIndex = session.ids.count + drawnTokens
      sequences.append(
        Qwen2Model.SequenceRows(
          rows: 0..<grid.tokenCount, cache: session.cache, firstIndex: firstIndex))
      if branches == 2 {
        sequences.append(
          Qwen2Model.SequenceRows(
            rows: grid.tokenCount..<2 * grid.tokenCount, cache: unconditional, firstIndex: 0))
      }
      let logits = arena.floats(layout.logits)
      try runScale(
        scale, sequences, session, generator, states: arena.floats(layout.states), logits: logits,
        run)
      try sample(scale, logits, into: &drawn.ownBits[index], run)
      drawn.bits.append(forcedBits?[index] ?? drawn.ownBits[index])
      (run.trace as? TraceRecorder)?.record(
        "s\(index).bits", shape: [1, grid.height, grid.width, quantizer.codebookDim],
        bytes: drawn.bits[index])
      drawn.bits[index].withUnsafeBufferPointer { quantizer.codes(of: $0, into: codes) }
      quantizer.accumulate(
        codes, scale: index, into: sum, scratch: arena.floats(layout.scratch))
      drawnTokens += grid.tokenCount
      trace(index, "summed_codes", sum, schedule.finalGrid, run)
      guard index + 1 < schedule.scales.count else { break }
      let next = schedule.scales[index + 1]
      CodeMap.bilinear(
        sum, from: schedule.finalGrid, channels: quantizer.codebookDim, to: next, into: codes)
      trace(index, "next_codes", codes, next, run)
      try embedNext(next, codes, session, generator, traceName: "s\(index)", run)
    }
    trace(nil, "summed_codes_final", sum, schedule.finalGrid, run)
    progress(schedule.scales.count, drawnTokens)
    let count = schedule.finalGrid.tokenCount * quantizer.codebookDim
    drawn.codes = Array(UnsafeBufferPointer(start: sum, count: count))
    return drawn
  }

  private func prepareContext(
    _ session: LanguageSession, _ contextTokens: Int, _ lengths: [Int], _ layout: Layout,
    _ arena: Arena, _ generator: ScaleTransformerState, _ run: RunContext
  ) throws {
    let context = arena.floats(layout.context)
    try model.projectStates(
      session.pastHidden, rows: contextTokens, into: context, state: generator, run)
    run.trace?.record(
      "past_hidden_states", shape: [1, session.ids.count, configuration.languageModel.hiddenSize],
      floats: session.pastHidden)
    try model.traceContext(context, textLengths: lengths, run)
    (run.trace as? TraceRecorder)?.record(
      "ca_cu_seqlens", shape: [lengths.count + 1],
      integers: lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) })
    try model.prepareCrossAttention(
      context: context, textLengths: lengths, state: generator, run)
  }

  /// One scale through the language model and the generator (ARCHITECTURE 9.4).
  private func runScale(
    _ scale: ScaleTransformer.Scale, _ sequences: [Qwen2Model.SequenceRows],
    _ session: LanguageSession, _ generator: ScaleTransformerState,
    states: UnsafeMutablePointer<Float>, logits: UnsafeMutablePointer<Float>, _ run: RunContext
  ) throws {
    let count = scale.grid.tokenCount
    let rows = branches * count
    let width = configuration.languageModel.hiddenSize
    let name = "s\(scale.index)"
    run.trace?.record(
      name + ".llm_in", shape: [branches, count, width], floats: session.state.hidden)
    // Generator tokens stand at their raw cache index on all axes; the unconditional row starts at 0 each time.
    for sequence in sequences {
      try session.model.prepareRotary(
        countingFrom: sequence.firstIndex, count: count, firstRow: sequence.rows.lowerBound,
        session.state)
    }
    let quiet = RunContext(compute: run.compute, isCancelled: run.isCancelled)
    try session.model.forward(sequences, state: session.state, quiet)
    try session.model.normalize(0..<rows, state: session.state, into: states, run)
    run.trace?.record(name + ".llm_out", shape: [branches, count, width], floats: states)
    try model.projectStates(states, rows: rows, into: generator.tokens, state: generator, run)
    run.trace?.record(
      name + ".gen_in", shape: [branches, count, configuration.generator.embedDim],
      floats: generator.tokens)
    try model.forward(scale, state: generator, logits: logits, run)
  }

  private func sample(
    _ scale: ScaleTransformer.Scale, _ logits: UnsafeMutablePointer<Float>,
    into bits: inout [UInt8], _ run: RunContext
  ) throws {
    let count = scale.grid.tokenCount
    let bitCount = configuration.generator.codebookDim
    let values = count * 2 * bitCount
    sampler.guide(
      logits, unconditional: branches == 2 ? UnsafePointer(logits + values) : nil, count: values)
    try FiniteNumbers.require(
      UnsafeBufferPointer(start: logits, count: values), of: "generator", modelPath: modelPath)
    run.trace?.record(
      "s\(scale.index).logits", shape: [1, count, 2 * bitCount], floats: logits)
    sampler.draw(logits, tokenCount: count, bitCount: bitCount, scale: scale.index, into: &bits)
  }

  /// The embeddings of the next scale are the same for both branches.
  private func embedNext(
    _ grid: GridSize, _ codes: UnsafePointer<Float>, _ session: LanguageSession,
    _ generator: ScaleTransformerState, traceName: String, _ run: RunContext
  ) throws {
    let hidden = session.state.hidden
    try model.embeddings(
      ofCodes: codes, count: grid.tokenCount, into: hidden, state: generator,
      traceName: traceName, run)
    if branches == 2 {
      let values = grid.tokenCount * configuration.languageModel.hiddenSize
      (hidden + values).update(from: hidden, count: values)
    }
  }

  private func trace(
    _ scale: Int?, _ name: String, _ map: UnsafePointer<Float>, _ grid: GridSize, _ run: RunContext
  ) {
    run.trace?.record(
      scale.map { "s\($0).\(name)" } ?? name, height: grid.height, width: grid.width,
      channels: configuration.generator.codebookDim, map: map)
  }
}
