import VARKernels
import VARLite
import VARModels

extension ForcedRun {
  /// Words, and the tokens of pictures, through the language model; then pictures through the generator.
  ///
  /// - Parameter pictures: the embeddings of the pictures that each case looks at.
  func readWordsAndDrawings(_ pictures: [[[Float]]]) throws {
    let configuration = model.configuration
    let hiddenSize = configuration.languageModel.hiddenSize
    let qwen = Qwen2Model(configuration.languageModel, weights: weights)
    let generator = ScaleTransformer(
      configuration.generator, hiddenSize: hiddenSize, weights: weights)
    let longest = cases.map(\.ids.count).max() ?? 0
    var plan = MemoryPlan()
    let layout = ScaleTransformerState.reserve(
      &plan, configuration.generator, hiddenSize: hiddenSize,
      capacity: .init(
        schedule: configuration.schedule, textLengths: textLengths(longest)),
      kv: (options.kvType, 1))
    guard let arena = Arena(plan) else { throw Self.noMemory(plan.byteCount) }
    let state = ScaleTransformerState(layout, arena: arena)
    try begin(model.sources.layerPlan(options.residency, budgetBytes: nil))
    report("language model: embeddings")
    var rows = try embed(pictures, qwen, generator, state)
    try watcher.finishLayer()
    try readLayers(&rows, qwen)
    var drawings = try cases.indices.filter { cases[$0].bits != nil }.map {
      try project($0, rows[$0], generator, state)
    }
    guard !drawings.isEmpty else { return }
    // They are in the text features and tokens of the drawings.
    rows = []
    try watcher.finishLayer()
    for block in 0..<configuration.generator.depth {
      report("generator: block \(block + 1) of \(configuration.generator.depth)")
      try readBlock(block, &drawings, generator, state)
      try watcher.finishLayer()
    }
    try seeBits(drawings, generator, state)
  }

  /// The conditional branch reads all words but the start of the picture; the unconditional one no more than the file
  /// has rows.
  private func textLengths(_ count: Int) -> [Int] {
    let lengths = [count - 1, min(count - 1, model.configuration.generator.textMaxLength)]
    return Array(lengths[..<(scales.first?.branchCount ?? 1)])
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
        let lengths = textLengths(drawings[index].layout.textCount)
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
        let state = state.reading(textLengths: textLengths(layout.textCount))
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
    let largest = model.configuration.schedule.largestTokenCount * 2
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
