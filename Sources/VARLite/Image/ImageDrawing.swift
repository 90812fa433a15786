import VARKernels
import VARModels

/// What the loop over scales gives.
package struct DrawnCodes {
  /// Bits of each scale that the picture consists of.
  var bits: [[UInt8]] = []
  /// Bits that the model drew by itself. They differ from `bits` only where bits were forced.
  var ownBits: [[UInt8]]
  /// Sum of the codes on the final grid, `[tokens, codebookDim]`.
  package var codes: [Float] = []

  init(_ schedule: ScaleSchedule, codebookDim: Int) {
    bits.reserveCapacity(schedule.scales.count)
    ownBits = schedule.scales.map { [UInt8](repeating: 0, count: $0.tokenCount * codebookDim) }
  }
}

/// What a caller of a drawing does between its scales.
package protocol DrawingDelegate {
  /// The text is read; the scales, whose weights are others, come next.
  func beginScales() throws
  func begin(_ scale: ScaleStep)
  /// A scale is drawn.
  ///
  /// - Parameters:
  ///   - bits: those of all scales so far.
  ///   - sum: the codes of all scales so far on the final grid.
  /// - Returns: whether the drawing goes on.
  func end(_ scale: ScaleStep, bits: [[UInt8]], sum: Rows) throws -> Bool
}

/// Draws one picture after a conversation (MODEL 9.3).
///
/// It holds sizes and settings alone: it plans before any weight is there.
package struct ImageDrawing {
  let modelPath: String
  let configuration: VARGPTConfiguration
  let schedule: ScaleSchedule
  let sampler: BitSampler
  let shortcuts: ScaleShortcuts
  /// Bits to use instead of drawing, per scale: measures a model with the history forced.
  private(set) var forcedBits: [[UInt8]]?
  /// Bits of the first scales, which are taken over from an earlier drawing.
  private var keptBits: [[UInt8]] = []
  /// Random numbers of the first scales, which an earlier drawing has.
  private var keptRandom: [CounterRandom] = []

  package init(
    modelPath: String, configuration: VARGPTConfiguration, schedule: ScaleSchedule,
    sampler: BitSampler, _ shortcuts: ScaleShortcuts = .none
  ) {
    self.modelPath = modelPath
    self.configuration = configuration
    self.schedule = schedule
    self.sampler = sampler
    self.shortcuts = shortcuts
  }

  /// - Throws: `request` unless `bits` are `[tokens, codebookDim]` for each scale.
  mutating func force(_ bits: [[UInt8]]) throws(VARLiteError) {
    let counts = schedule.scales.map { $0.tokenCount * configuration.generator.codebookDim }
    guard bits.map(\.count) == counts else {
      throw VARLiteError(
        .request, "forced bits of \(bits.map(\.count)), the scales take \(counts)")
    }
    forcedBits = bits
  }

  /// Takes over the bits of the first scales. Their passes are still run: they fill the caches.
  ///
  /// - Parameter seeds: what scales are drawn with that have no bits, from the first scale on.
  mutating func keep(_ bits: [[UInt8]], drawing seeds: [UInt64]) {
    keptBits = bits
    keptRandom = seeds.map { CounterRandom(seed: $0) }
  }

  /// The picture where the bits of all scales are taken over: no cache is needed any more.
  var keptCodes: DrawnCodes? {
    guard keptBits.count == schedule.scales.count, forcedBits == nil else { return nil }
    let codebookDim = configuration.generator.codebookDim
    var drawn = DrawnCodes(schedule, codebookDim: codebookDim)
    let quantizer = BinaryQuantizer(codebookDim: codebookDim, schedule: schedule)
    (drawn.bits, drawn.ownBits) = (keptBits, keptBits)
    drawn.codes = quantizer.sum(of: keptBits)
    return drawn
  }

  /// What draws the bits of a scale.
  func sampler(ofScale index: Int) -> BitSampler {
    var sampler = sampler
    if index < keptRandom.count { sampler.random = keptRandom[index] }
    return sampler
  }

  /// The bits of a scale where they are not the model's own.
  private func givenBits(_ index: Int) -> [UInt8]? {
    forcedBits?[index] ?? (index < keptBits.count ? keptBits[index] : nil)
  }

  /// Branches of the guided scales.
  var branches: Int { sampler.cfgScale == 1 ? 1 : 2 }

  /// The scales in their order, with the branches that each is drawn with and the tokens that are read.
  package var steps: [ScaleStep] { schedule.steps(branchCount: branches, shortcuts) }

  /// Rows that the language model gets per scale at most.
  package var largestReadRows: Int { steps.map(\.readRowCount).max() ?? 0 }

  /// What the language model's cache must have room for.
  package var room: DrawingRoom { DrawingRoom(schedule, shortcuts) }

  /// Throws `request` unless a session's state has room for the drawing.
  func requireFit(_ capacity: LanguageSession.Capacity) throws(VARLiteError) {
    guard let drawing = capacity.drawing, drawing.holds(room), largestReadRows <= capacity.rows
    else {
      throw VARLiteError(
        .request,
        "the session was begun for other pictures; begin another one for this size and guidance")
    }
  }

  /// - Parameter contextTokens: tokens of the conversation before the one that starts the picture.
  package func reserve(
    _ plan: inout MemoryPlan, contextTokens: Int, kvType: KVType
  ) -> DrawingBuffers.Layout {
    DrawingBuffers.reserve(&plan, for: self, contextTokens: contextTokens, kvType: kvType)
  }

  /// - Parameters:
  ///   - session: a conversation whose last token starts the picture.
  ///   - weights: those of the generator.
  ///   - delegate: what is done between the scales.
  package func draw(
    _ session: LanguageSession, _ buffers: DrawingBuffers, weights: ModelWeights,
    _ run: RunContext, _ delegate: some DrawingDelegate
  ) throws -> DrawnCodes {
    let generator = ScaleTransformer(
      configuration.generator, hiddenSize: configuration.languageModel.hiddenSize,
      weights: weights)
    let pass = DrawingPass(self, session, generator, buffers, run)
    try pass.readText()
    try delegate.beginScales()
    var drawn = DrawnCodes(schedule, codebookDim: configuration.generator.codebookDim)
    // From here on nothing allocates.
    for scale in pass.scales {
      delegate.begin(scale)
      try pass.embed(scale)
      try pass.runLanguageModel(scale)
      try pass.projectStates(scale)
      try pass.runGenerator(scale)
      try pass.sampleBits(scale, into: &drawn.ownBits[scale.index])
      drawn.bits.append(givenBits(scale.index) ?? drawn.ownBits[scale.index])
      pass.addCodes(drawn.bits[scale.index], scale)
      guard try delegate.end(scale, bits: drawn.bits, sum: pass.sum) else { break }
    }
    drawn.codes = Array(pass.sum.values)
    return drawn
  }
}
