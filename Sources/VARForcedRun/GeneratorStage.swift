import VARKernels
import VARLite
import VARModels

extension ForcedRun {
  /// Words, and the tokens of pictures, through the language model; then pictures through the generator.
  ///
  /// - Parameters:
  ///   - pictures: the embeddings of the pictures that each case looks at.
  ///   - earlier: where an earlier run stood after the vision tower; then the pictures are not needed.
  func readWordsAndDrawings(
    pictures: [[[Float]]] = [], from earlier: ForcedRunState? = nil
  ) throws {
    let configuration = model.configuration
    let hiddenSize = configuration.languageModel.hiddenSize
    let generator = ScaleTransformer(
      configuration.generator, hiddenSize: hiddenSize, weights: weights)
    var plan = MemoryPlan()
    let layout = Self.reserveGenerator(&plan, cases, configuration, options.kvType)
    guard let arena = Arena(plan) else { throw Self.noMemory(plan.byteCount) }
    let state = ScaleTransformerState(layout, arena: arena)
    try begin(Self.weightPlan(model, options.residency, withHead: watcher.wantsWordLogits))
    let isDrawing = earlier?.stage == .generator
    var drawings =
      isDrawing
      ? drawings(earlier?.values ?? [])
      : try readWords(pictures, from: earlier, generator, state)
    guard !drawings.isEmpty else { return }
    for block in (isDrawing ? earlier?.layer ?? 0 : 0)..<configuration.generator.depth {
      try watcher.offer {
        ForcedRunState(
          stage: .generator, layer: block, values: drawings.flatMap { [$0.context] + $0.tokens })
      }
      report("generator: block \(block + 1) of \(configuration.generator.depth)")
      try readBlock(block, &drawings, generator, state)
      try watcher.finishLayer()
    }
    try seeBits(drawings, generator, state)
  }

  /// Takes all cases through the language model, and gives the drawings as the generator takes them.
  private func readWords(
    _ pictures: [[[Float]]], from earlier: ForcedRunState?, _ generator: ScaleTransformer,
    _ state: ScaleTransformerState
  ) throws -> [Drawing] {
    let qwen = Qwen2Model(model.configuration.languageModel, weights: weights)
    var rows: [CaseRows]
    if let earlier {
      rows = self.rows(earlier.values)
    } else {
      report("language model: embeddings")
      rows = try embed(pictures, qwen, generator, state)
      try watcher.finishLayer()
    }
    try readLayers(from: earlier?.layer ?? 0, &rows, qwen)
    let drawings = try cases.indices.filter { cases[$0].bits != nil }.map {
      try project($0, rows[$0], generator, state)
    }
    try watcher.finishLayer()
    return drawings
  }

  /// What an earlier run had made of all drawings.
  private func drawings(_ values: [[Float]]) -> [Drawing] {
    var next = 0
    return cases.indices.filter { cases[$0].bits != nil }.map { index in
      let layout = CaseLayout(cases[index], scales)
      defer { next += 1 + scales.count }
      return Drawing(
        caseIndex: index, layout: layout, context: values[next],
        tokens: Array(values[next + 1..<next + 1 + scales.count]))
    }
  }

  /// A drawing on its way through the generator.
  private struct Drawing {
    /// Which case it is of.
    let caseIndex: Int
    let layout: CaseLayout
    /// Text features of the conditional branch, `[textCount - 1, embedDim]`.
    var context: [Float]
    /// Tokens of each scale, both branches, `[rowCount, embedDim]`.
    var tokens: [[Float]]
    /// Keys and values of the text features in the block at work.
    var textKeysAndValues: [Float] = []
  }

  private func project(
    _ index: Int, _ rows: CaseRows, _ generator: ScaleTransformer, _ state: ScaleTransformerState
  ) throws -> Drawing {
    let width = model.configuration.generator.embedDim
    let hiddenSize = model.configuration.languageModel.hiddenSize
    let layout = rows.layout
    var drawing = Drawing(
      caseIndex: index, layout: layout,
      context: [Float](repeating: 0, count: (layout.textCount - 1) * width), tokens: [])
    try rows.hidden.withRows(columns: hiddenSize) { hidden in
      watcher.begin(TokenKinds([layout.textCount - 1]))
      try drawing.context.withMutableRows(columns: width) {
        try generator.projectStates(hidden[..<(layout.textCount - 1)], into: $0, state: state, pass)
      }
      for scale in layout.scales {
        for branch in 0..<scale.branchCount {
          watcher.begin(TokenKinds([scale.tokenCount]))
          try generator.projectStates(
            hidden[layout.rows(scale, branch: branch)],
            into: state.tokens[scale.rows(ofBranch: branch)], state: state, pass)
        }
        try generator.addLevel(scale, state: state, pass)
        drawing.tokens.append(Array(state.tokens[..<scale.rowCount].values))
      }
    }
    return drawing
  }

  private func readBlock(
    _ block: Int, _ drawings: inout [Drawing], _ generator: ScaleTransformer,
    _ state: ScaleTransformerState
  ) throws {
    let width = model.configuration.generator.embedDim
    try weights.holding(.generatorBlock(block), apart: true) {
      for index in drawings.indices {
        let lengths = Self.textLengths(
          drawings[index].layout.textCount, model.configuration)
        var values = [Float](repeating: 0, count: lengths.reduce(0, +) * 2 * width)
        watcher.begin(TokenKinds(lengths))
        try drawings[index].context.withRows(columns: width) { context in
          try values.withMutableRows(columns: 2 * width) {
            try generator.textKeysAndValues(
              block: block, context: context, state: state.reading(textLengths: lengths), into: $0,
              pass)
          }
        }
        drawings[index].textKeysAndValues = values
      }
    }
    try weights.holding(.generatorBlock(block)) {
      for index in drawings.indices {
        let layout = drawings[index].layout
        let state = state.reading(
          textLengths: Self.textLengths(layout.textCount, model.configuration))
        drawings[index].textKeysAndValues.withRows(columns: 2 * width) {
          generator.storeText($0, block: block, state: state, pass)
        }
        for scale in layout.scales {
          watcher.begin(
            TokenKinds(
              [Int](repeating: scale.tokenCount, count: scale.branchCount)))
          try generator.prepareRotary(scale, state: state)
          try drawings[index].tokens[scale.index].withMutableRows(columns: width) { tokens in
            state.tokens[..<scale.rowCount].copy(from: tokens)
            try generator.forward(block: block, scale, state: state, pass)
            tokens.copy(from: state.tokens[..<scale.rowCount])
          }
        }
        drawings[index].textKeysAndValues = []
      }
    }
  }

  private func seeBits(
    _ drawings: [Drawing], _ generator: ScaleTransformer, _ state: ScaleTransformerState
  ) throws {
    report("generator: head")
    let configuration = model.configuration.generator
    let largest = ForcedSchedule(model.configuration).scales.largestTokenCount * 2
    var logits = [Float](repeating: 0, count: largest * 2 * configuration.codebookDim)
    let sampling = model.configuration.imageSampling
    let sampler = BitSampler(
      cfgScale: Float(sampling.cfgScale), tau: Float(sampling.tau), topP: Float(sampling.topP),
      isGreedy: true,
      random: CounterRandom(seed: 0))
    for drawing in drawings {
      for scale in drawing.layout.scales {
        watcher.begin(
          TokenKinds(
            [Int](repeating: scale.tokenCount, count: scale.branchCount)))
        drawing.tokens[scale.index].withRows(columns: configuration.embedDim) {
          state.tokens[..<scale.rowCount].copy(from: $0)
        }
        try logits.withMutableRows(columns: 2 * configuration.codebookDim) {
          try generator.computeLogits(scale, state: state, into: $0[..<scale.rowCount], pass)
          let conditional = $0[scale.rows(ofBranch: 0)]
          sampler.guide(
            conditional, unconditional: scale.branchCount == 2 ? $0[scale.rows(ofBranch: 1)] : nil)
          try watcher.see(bitLogits: conditional, scale: scale.index, ofCase: drawing.caseIndex)
        }
      }
    }
    try watcher.finishLayer()
  }
}
