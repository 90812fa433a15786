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
    let paths = paths(generator, state)
    for block in (isDrawing ? earlier?.layer ?? 0 : 0)..<configuration.generator.depth {
      try watcher.offer {
        ForcedRunState(stage: .generator, layer: block, values: drawings.flatMap(\.values))
      }
      report(Self.name(ofBlock: block, configuration))
      try readBlock(block, &drawings, paths)
    }
    try seeBits(drawings, paths)
  }

  /// Takes all cases through the language model, and gives the drawings as the generator takes them.
  private func readWords(
    _ pictures: [[[Float]]], from earlier: ForcedRunState?, _ generator: ScaleTransformer,
    _ state: ScaleTransformerState
  ) throws -> [Drawing] {
    let qwen = Qwen2Model(configuration.languageModel, weights: weights)
    var rows: [CaseRows]
    if let earlier {
      rows = self.rows(earlier.values)
    } else {
      report("language model: embeddings")
      rows = try embed(pictures, qwen, generator, state)
      try leave(.languageEmbedding, &rows)
      try watcher.finishLayer()
    }
    try readLayers(from: earlier?.layer ?? 0, &rows, qwen)
    var drawings = try cases.indices.filter { cases[$0].bits != nil }.map {
      try project($0, rows[$0], generator, state)
    }
    try leaveProjector(&drawings)
    try watcher.finishLayer()
    return drawings
  }

  /// Lets the watcher say what goes on instead of text features and tokens.
  private func leaveProjector(_ drawings: inout [Drawing]) throws {
    let width = configuration.generator.embedDim
    let contexts = try watcher.leave(.projectorOut, drawings.map(\.context), columns: width)
    for index in drawings.indices { drawings[index].context = contexts[index] }
    try leaveTokens(.generatorEmbedding, &drawings)
  }

  /// Lets the watcher say what goes on instead of the tokens of all drawings.
  func leaveTokens(_ group: TensorGroup, _ drawings: inout [Drawing]) throws {
    let values = try watcher.leave(
      group, drawings.flatMap(\.tokens), columns: configuration.generator.embedDim)
    for index in drawings.indices {
      let first = index * scales.count
      drawings[index].tokens = Array(values[first..<first + scales.count])
    }
  }

  /// What an earlier run had made of all drawings.
  private func drawings(_ values: [[Float]]) -> [Drawing] {
    var next = 0
    return cases.indices.filter { cases[$0].bits != nil }.map { index in
      let layout = CaseLayout(cases[index], scales)
      let count = 1 + scales.count * (roundedWeights == nil ? 1 : 2)
      defer { next += count }
      return Drawing(
        caseIndex: index, layout: layout, context: values[next],
        tokens: Array(values[next + 1..<next + 1 + scales.count]),
        roundedTokens: Array(values[next + 1 + scales.count..<next + count]))
    }
  }

  private func project(
    _ index: Int, _ rows: CaseRows, _ generator: ScaleTransformer, _ state: ScaleTransformerState
  ) throws -> Drawing {
    let width = configuration.generator.embedDim
    let hiddenSize = configuration.languageModel.hiddenSize
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
    if roundedWeights != nil { drawing.roundedTokens = drawing.tokens }
    return drawing
  }
}
