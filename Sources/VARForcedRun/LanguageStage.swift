import VARKernels
import VARLite
import VARModels

/// The rows of a case on their way through the networks.
struct CaseRows {
  let layout: CaseLayout
  let positions: [Qwen2Positions.Position]
  let kinds: TokenKinds
  /// The residual stream of the language model, then its final states, `[rowCount, hiddenSize]`.
  var hidden: [Float]
}

extension ForcedRun {
  /// Rows of logits at a time.
  private static let logitRows = 16

  private var language: Qwen2Configuration { configuration.languageModel }

  /// What an earlier run had made of all cases.
  func rows(_ values: [[Float]]) -> [CaseRows] {
    zip(cases, values).map { item, hidden in
      let layout = CaseLayout(item, scales)
      return CaseRows(
        layout: layout, positions: positions(item, layout), kinds: kinds(item, layout),
        hidden: hidden)
    }
  }

  /// The rows of all cases before the first layer.
  ///
  /// - Parameter pictures: the embeddings of the pictures that each case looks at.
  func embed(
    _ pictures: [[[Float]]], _ qwen: Qwen2Model, _ generator: ScaleTransformer,
    _ state: ScaleTransformerState
  ) throws -> [CaseRows] {
    try zip(cases, pictures).map { item, pictures in
      let layout = CaseLayout(item, scales)
      var rows = CaseRows(
        layout: layout, positions: positions(item, layout), kinds: kinds(item, layout),
        hidden: [Float](repeating: 0, count: layout.rowCount * language.hiddenSize))
      try rows.hidden.withMutableRows(columns: language.hiddenSize) { hidden in
        try qwen.embed(item.ids[...], into: hidden[..<item.ids.count], pass)
        var row = 0
        let pad = Int32(configuration.specialTokens.imagePad)
        for picture in pictures {
          picture.withRows(columns: language.hiddenSize) { tokens in
            for token in 0..<tokens.count {
              while item.ids[row] != pad { row += 1 }
              hidden[row..<row + 1].copy(from: tokens[token..<token + 1])
              row += 1
            }
          }
        }
        if let bits = item.bits { try embed(bits, layout, into: hidden, generator, state) }
      }
      return rows
    }
  }

  /// The embeddings of the codes that each scale starts from.
  private func embed(
    _ bits: [[UInt8]], _ layout: CaseLayout, into hidden: Rows, _ generator: ScaleTransformer,
    _ state: ScaleTransformerState
  ) throws {
    let schedule = ForcedSchedule(configuration).scales
    let dim = configuration.generator.codebookDim
    let quantizer = BinaryQuantizer(codebookDim: dim, schedule: schedule)
    let count = schedule.finalGrid.tokenCount
    var memory = [Float](
      repeating: 0, count: (2 * count + 2 * schedule.largestTokenCount) * dim)
    try memory.withMutableRows(columns: dim) { maps in
      let (sum, scratch) = (maps[..<count], maps[count..<2 * count])
      let codes = maps[2 * count..<2 * count + schedule.largestTokenCount]
      for scale in layout.scales {
        watcher.begin(TokenKinds([scale.tokenCount]))
        let conditional = hidden[layout.rows(scale, branch: 0)]
        if scale.index == 0 {
          var starts = [Float](repeating: 0, count: scale.branchCount * hidden.columns)
          try starts.withMutableRows(columns: hidden.columns) { starts in
            // A row for each branch.
            watcher.begin(TokenKinds([scale.branchCount]))
            try generator.firstEmbeddings(into: starts, state: state, pass)
            for branch in 0..<scale.branchCount {
              hidden[layout.rows(scale, branch: branch)].copy(from: starts[branch..<branch + 1])
            }
          }
        } else {
          try generator.embeddings(
            ofCodes: codes[..<scale.tokenCount], into: conditional, state: state, traceName: "",
            pass)
          if scale.branchCount == 2 {
            hidden[layout.rows(scale, branch: 1)].copy(from: conditional)
          }
        }
        guard scale.index + 1 < layout.scales.count else { break }
        let own = codes[..<scale.tokenCount]
        bits[scale.index].withUnsafeBufferPointer { quantizer.codes(of: $0, into: own) }
        quantizer.accumulate(own, scale: scale.index, into: sum, scratch: scratch)
        let next = layout.scales[scale.index + 1]
        CodeMap.bilinear(
          sum, from: schedule.finalGrid, to: next.grid, into: codes[..<next.tokenCount])
      }
    }
  }

  private func positions(_ item: PreparedCase, _ layout: CaseLayout) -> [Qwen2Positions.Position] {
    var text = Qwen2Positions()
    text.append(
      ids: item.ids,
      grids: item.pictures.map { GridSize(height: $0.gridHeight / 2, width: $0.gridWidth / 2) },
      tokens: configuration.specialTokens)
    // Tokens of a picture stand at their cache index on all axes, whatever the positions of the text.
    let drawn = layout.sequences.enumerated().flatMap { index, rows in
      (index == 0 ? layout.textCount..<rows.count : 0..<rows.count).map {
        Qwen2Positions.Position($0)
      }
    }
    return text.positions + drawn
  }

  private func kinds(_ item: PreparedCase, _ layout: CaseLayout) -> TokenKinds {
    let pad = Int32(configuration.specialTokens.imagePad)
    let prompt = item.ids[..<item.answerStart]
    let seen = prompt.count { $0 == pad }
    let (words, written) = (prompt.count - seen, item.ids.count - item.answerStart)
    var runs = [written]
    for _ in 0..<(layout.scales.first?.branchCount ?? 0) {
      runs += layout.scales.map(\.tokenCount)
    }
    return TokenKinds(
      counts: prompt.map { $0 == pad ? seen : words } + TokenKinds(runs).counts)
  }

  /// Takes the rows of all cases through all layers from one on, and the final norm.
  func readLayers(from first: Int, _ rows: inout [CaseRows], _ qwen: Qwen2Model) throws {
    var plan = MemoryPlan()
    let layouts = Self.reserveLanguage(&plan, cases, configuration, options.kvType)
    guard let arena = Arena(plan) else { throw Self.noMemory(plan.byteCount) }
    let state = Qwen2State(layouts.state, arena: arena)
    let caches = layouts.caches.map { KVCache($0, arena: arena) }
    for layer in first..<language.numHiddenLayers {
      try watcher.offer {
        ForcedRunState(stage: .language, layer: layer, values: rows.map(\.hidden))
      }
      report("language model: layer \(layer + 1) of \(language.numHiddenLayers)")
      try weights.holding(.languageLayer(layer)) {
        guard watcher.enters(.languageLayer(layer)) else { return }
        for index in rows.indices {
          let (layout, positions) = (rows[index].layout, rows[index].positions)
          watcher.begin(rows[index].kinds)
          try qwen.prepareRotary(positions[...], state)
          let sequences = layout.sequences.enumerated().map { number, rows in
            Qwen2Model.SequenceRows(
              rows: rows, cache: number == 0 ? caches[0] : caches[1], firstIndex: 0)
          }
          // Angles go by the place in the cache: all sequences of the other branch have the same.
          qwen.storeRotary(sequences, state)
          try rows[index].hidden.withMutableRows(columns: language.hiddenSize) { hidden in
            state.hidden[..<layout.rowCount].copy(from: hidden)
            try qwen.forward(layer: layer, sequences, state: state, pass)
            hidden.copy(from: state.hidden[..<layout.rowCount])
          }
        }
      }
      try leave(.languageLayer(layer), &rows)
      try watcher.finishLayer()
    }
    for index in rows.indices {
      let count = rows[index].layout.rowCount
      try rows[index].hidden.withMutableRows(columns: language.hiddenSize) { hidden in
        state.hidden[..<count].copy(from: hidden)
        try qwen.normalize(state.hidden[..<count], into: hidden, pass)
      }
    }
    try leave(.languageNorm, &rows)
    try seeWords(rows)
  }

  /// Lets the watcher say what goes on instead of the rows of all cases.
  func leave(_ group: TensorGroup, _ rows: inout [CaseRows]) throws {
    let values = try watcher.leave(group, rows.map(\.hidden), columns: language.hiddenSize)
    for index in rows.indices { rows[index].hidden = values[index] }
  }

  /// The head sees the states of words that are followed by words of the answer.
  private func seeWords(_ rows: [CaseRows]) throws {
    let name = language.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    guard let tensor = model.file.tensorIndex(named: name) else { return }
    let qwen = Qwen2Model(language, weights: weights)
    for (index, (item, rows)) in zip(cases, rows).enumerated() {
      let states = item.answerStart - 1..<item.ids.count - 1
      watcher.begin(TokenKinds([states.count]))
      try rows.hidden.withRows(columns: language.hiddenSize) { hidden in
        guard watcher.wantsWordLogits else {
          return watcher.observe(LinearSite(tensor: tensor), hidden[states])
        }
        for first in stride(from: states.lowerBound, to: states.upperBound, by: Self.logitRows) {
          let part = first..<min(states.upperBound, first + Self.logitRows)
          var logits = [Float](repeating: 0, count: part.count * language.vocabSize)
          try logits.withMutableRows(columns: language.vocabSize) {
            try qwen.logits(of: hidden[part], into: $0, pass)
            try watcher.see(wordLogits: $0, ofCase: index)
          }
        }
      }
    }
    try watcher.finishLayer()
  }
}
