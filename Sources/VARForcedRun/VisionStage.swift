import VARKernels
import VARLite
import VARModels

extension ForcedRun {
  /// The embeddings of the pictures that each case looks at, `[tokens, hiddenSize]`, one picture after the other.
  ///
  /// - Parameter earlier: where an earlier run stood in this stage.
  func readPictures(from earlier: ForcedRunState?) throws -> [[[Float]]] {
    let pictures = cases.flatMap(\.pictures)
    guard !pictures.isEmpty else { return cases.map { _ in [] } }
    let (vision, hiddenSize) = (configuration.vision, configuration.languageModel.hiddenSize)
    var plan = MemoryPlan()
    let layout = Self.reserveVision(&plan, cases, configuration)
    guard let arena = Arena(plan) else { throw Self.noMemory(plan.byteCount) }
    let state = VisionState(layout, arena: arena)
    let tower = VisionTower(vision, hiddenSize: hiddenSize, weights: weights)
    try begin(Self.visionPlan(model, options.residency))
    func grid(_ index: Int) -> GridSize {
      GridSize(height: pictures[index].gridHeight, width: pictures[index].gridWidth)
    }
    var hidden = earlier?.values ?? []
    if earlier == nil {
      report("vision tower: patches")
      for (index, picture) in pictures.enumerated() {
        watcher.begin(TokenKinds([picture.patchCount]))
        try picture.values.withRows(columns: vision.patchValues) { patches in
          try tower.embed(VisionPatches(patches, grid: grid(index)), state: state, pass)
        }
        hidden.append(Array(state.hidden[..<picture.patchCount].values))
      }
      hidden = try watcher.leave(.visionEmbedding, hidden, columns: vision.embedDim)
      try watcher.finishLayer()
    }
    for block in (earlier?.layer ?? 0)..<vision.depth {
      try watcher.offer { ForcedRunState(stage: .vision, layer: block, values: hidden) }
      report("vision tower: block \(block + 1) of \(vision.depth)")
      try weights.holding(.visionBlock(block)) {
        guard watcher.enters(.visionBlock(block)) else { return }
        for (index, picture) in pictures.enumerated() {
          watcher.begin(TokenKinds([picture.patchCount]))
          try tower.prepareRotary(grid(index), state: state, pass)
          try hidden[index].withMutableRows(columns: vision.embedDim) { rows in
            state.hidden[..<picture.patchCount].copy(from: rows)
            try tower.forward(block: block, count: picture.patchCount, state: state, pass)
            rows.copy(from: state.hidden[..<picture.patchCount])
          }
        }
      }
      hidden = try watcher.leave(.visionBlock(block), hidden, columns: vision.embedDim)
      try watcher.finishLayer()
    }
    report("vision tower: merger")
    var embeddings: [[Float]] = []
    for (index, picture) in pictures.enumerated() {
      watcher.begin(TokenKinds([picture.tokenCount]))
      var output = [Float](repeating: 0, count: picture.tokenCount * hiddenSize)
      try hidden[index].withRows(columns: vision.embedDim) { rows in
        state.hidden[..<picture.patchCount].copy(from: rows)
        try output.withMutableRows(columns: hiddenSize) {
          try tower.merge(count: picture.patchCount, state: state, into: $0, pass)
        }
      }
      embeddings.append(output)
    }
    embeddings = try watcher.leave(.visionMerger, embeddings, columns: hiddenSize)
    try watcher.finishLayer()
    var next = 0
    return try cases.enumerated().map { index, item in
      defer { next += item.pictures.count }
      let own = Array(embeddings[next..<next + item.pictures.count])
      for picture in own {
        try picture.withRows(columns: hiddenSize) {
          try watcher.see(pictureEmbeddings: $0, ofCase: index)
        }
      }
      return own
    }
  }
}
