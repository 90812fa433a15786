import VARKernels
import VARLite
import VARModels

/// A way through the generator: its weights, and who sees what goes into them.
struct GeneratorPath {
  let generator: ScaleTransformer
  let state: ScaleTransformerState
  let pass: RunContext
  /// Told the kinds of the rows that follow.
  let begin: (TokenKinds) -> Void
}

/// The ways through a block.
struct GeneratorPaths {
  /// Original tokens through original weights.
  let original: GeneratorPath
  /// Tokens from rounded blocks through what is rounded of this one, seen and unseen; nil where nothing is rounded.
  let rounded: (seen: GeneratorPath, unseen: GeneratorPath)?
}

extension ForcedRun {
  private var width: Int { configuration.generator.embedDim }

  func paths(_ generator: ScaleTransformer, _ state: ScaleTransformerState) -> GeneratorPaths {
    let watcher = watcher
    let original = GeneratorPath(
      generator: generator, state: state, pass: pass, begin: { watcher.begin($0) })
    guard let roundedWeights else { return GeneratorPaths(original: original, rounded: nil) }
    let rounded = ScaleTransformer(
      configuration.generator, hiddenSize: configuration.languageModel.hiddenSize,
      weights: roundedWeights)
    return GeneratorPaths(
      original: original,
      rounded: (
        seen: GeneratorPath(
          generator: rounded, state: state, pass: pass, begin: { watcher.beginRounded($0) }),
        unseen: GeneratorPath(
          generator: rounded, state: state, pass: unseenPass, begin: { _ in })
      ))
  }

  static func name(ofBlock block: Int, _ configuration: VARGPTConfiguration) -> String {
    "generator: block \(block + 1) of \(configuration.generator.depth)"
  }

  /// Takes all drawings through a block.
  func readBlock(_ block: Int, _ drawings: inout [Drawing], _ paths: GeneratorPaths) throws {
    let isEntered = watcher.enters(.generatorBlock(block))
    try weights.holding(.generatorBlock(block), apart: true) {
      guard isEntered else { return }
      for index in drawings.indices {
        drawings[index].textKeysAndValues = try readText(drawings[index], block, paths.original)
      }
      guard let rounded = paths.rounded else { return }
      try watcher.finishLayer()
      for index in drawings.indices {
        drawings[index].roundedTextKeysAndValues = try readText(
          drawings[index], block, rounded.unseen)
      }
    }
    try weights.holding(.generatorBlock(block)) {
      guard isEntered else { return }
      let before = drawings
      var passCount = 0
      repeat {
        passCount += 1
        if passCount > 1 {
          report(part: "\(Self.name(ofBlock: block, configuration)), pass \(passCount)")
        }
        for index in drawings.indices {
          drawings[index].tokens = try read(before[index], block, paths.original)
          if let rounded = paths.rounded {
            _ = try read(before[index].rounded, block, rounded.seen)
          }
        }
        try watcher.finishLayer()
      } while watcher.wantsBlockAgain
      if let rounded = paths.rounded {
        for index in drawings.indices {
          drawings[index].roundedTokens = try read(before[index].rounded, block, rounded.unseen)
        }
        watcher.endBlock()
      }
      for index in drawings.indices { drawings[index].forgetText() }
    }
    try leaveTokens(.generatorBlock(block), &drawings)
  }

  /// Keys and values of a drawing's text features, `[tokens of both branches, 2 * embedDim]`.
  private func readText(
    _ drawing: Drawing, _ block: Int, _ path: GeneratorPath
  ) throws -> [Float] {
    let lengths = Self.textLengths(drawing.layout.textCount, configuration)
    var values = [Float](repeating: 0, count: lengths.reduce(0, +) * 2 * width)
    path.begin(TokenKinds(lengths))
    try drawing.context.withRows(columns: width) { context in
      try values.withMutableRows(columns: 2 * width) {
        try path.generator.textKeysAndValues(
          block: block, context: context, state: path.state.reading(textLengths: lengths), into: $0,
          path.pass)
      }
    }
    return values
  }

  /// What a block makes of the tokens of a drawing.
  private func read(
    _ drawing: Drawing, _ block: Int, _ path: GeneratorPath
  ) throws -> [[Float]] {
    let layout = drawing.layout
    let state = path.state.reading(
      textLengths: Self.textLengths(layout.textCount, configuration))
    drawing.textKeysAndValues.withRows(columns: 2 * width) {
      path.generator.storeText($0, block: block, state: state, path.pass)
    }
    var tokens = drawing.tokens
    for scale in layout.scales {
      path.begin(TokenKinds([Int](repeating: scale.tokenCount, count: scale.branchCount)))
      try path.generator.prepareRotary(scale, state: state)
      try tokens[scale.index].withMutableRows(columns: width) { tokens in
        state.tokens[..<scale.rowCount].copy(from: tokens)
        try path.generator.forward(block: block, scale, state: state, path.pass)
        tokens.copy(from: state.tokens[..<scale.rowCount])
      }
    }
    return tokens
  }

  /// Shows what the generator says of each bit.
  func seeBits(_ drawings: [Drawing], _ paths: GeneratorPaths) throws {
    report("generator: head")
    let generator = configuration.generator
    let largest = ForcedSchedule(configuration).scales.largestTokenCount * 2
    var logits = [Float](repeating: 0, count: largest * 2 * generator.codebookDim)
    let sampling = configuration.imageSampling
    let sampler = BitSampler(
      cfgScale: Float(sampling.cfgScale), tau: Float(sampling.tau), topP: Float(sampling.topP),
      isGreedy: true,
      random: CounterRandom(seed: 0))
    for drawing in drawings {
      for scale in drawing.layout.scales {
        try logits.withMutableRows(columns: 2 * generator.codebookDim) {
          let rows = $0[..<scale.rowCount]
          try readHead(drawing.tokens, scale, into: rows, paths.original)
          let conditional = rows[scale.rows(ofBranch: 0)]
          sampler.guide(
            conditional,
            unconditional: scale.branchCount == 2 ? rows[scale.rows(ofBranch: 1)] : nil)
          try watcher.see(bitLogits: conditional, scale: scale.index, ofCase: drawing.caseIndex)
        }
      }
      guard let seen = paths.rounded?.seen else { continue }
      for scale in drawing.layout.scales {
        try logits.withMutableRows(columns: 2 * generator.codebookDim) {
          try readHead(drawing.roundedTokens, scale, into: $0[..<scale.rowCount], seen)
        }
      }
    }
    try watcher.finishLayer()
  }

  private func readHead(
    _ tokens: [[Float]], _ scale: ScaleStep, into logits: Rows, _ path: GeneratorPath
  ) throws {
    path.begin(TokenKinds([Int](repeating: scale.tokenCount, count: scale.branchCount)))
    tokens[scale.index].withRows(columns: width) {
      path.state.tokens[..<scale.rowCount].copy(from: $0)
    }
    try path.generator.computeLogits(scale, state: path.state, into: logits, path.pass)
  }
}
