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

/// Draws one picture after a conversation (MODEL 9.3).
package struct ImageDrawing {
  let model: ScaleTransformer
  let modelPath: String
  let configuration: VARGPTConfiguration
  let schedule: ScaleSchedule
  let sampler: BitSampler
  /// Bits to use instead of drawing, per scale: measures a model with the history forced.
  private(set) var forcedBits: [[UInt8]]?

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

  /// - Throws: `invalidRequest` unless `bits` are `[tokens, codebookDim]` for each scale.
  mutating func force(_ bits: [[UInt8]]) throws(GenerationError) {
    let counts = schedule.scales.map { $0.tokenCount * configuration.generator.codebookDim }
    guard bits.map(\.count) == counts else {
      throw GenerationError(
        .invalidRequest, "forced bits of \(bits.map(\.count)), the scales take \(counts)")
    }
    forcedBits = bits
  }

  var branches: Int { sampler.cfgScale == 1 ? 1 : 2 }

  /// Rows that the language model gets per scale at most.
  package var largestRows: Int { branches * schedule.largestTokenCount }

  /// - Parameter contextTokens: tokens of the conversation before the one that starts the picture.
  package func reserve(
    _ plan: inout MemoryPlan, contextTokens: Int, kvType: KVType
  ) -> DrawingState.Layout {
    DrawingState.reserve(
      &plan, configuration, schedule, branches: branches, contextTokens: contextTokens,
      kvType: kvType)
  }

  /// - Parameters:
  ///   - session: a conversation whose last token starts the picture.
  ///   - begin: called before the scales, whose weights are others than those of the text features.
  ///   - progress: called before each scale and at the end, with the number of scales and tokens that are drawn.
  package func draw(
    _ session: LanguageSession, layout: DrawingState.Layout, arena: Arena, _ run: RunContext,
    begin: (WeightPhase) throws -> Void = { _ in },
    progress: (Int, Int) -> Void
  ) throws -> DrawnCodes {
    let pass = DrawingPass(self, session, DrawingState(layout, arena: arena), run)
    try pass.readText()
    try begin(.drawing(scaleCount: schedule.scales.count))
    var drawn = DrawnCodes(schedule, codebookDim: configuration.generator.codebookDim)
    // From here on nothing allocates.
    for scale in pass.scales {
      progress(scale.index, scale.cachedTokens)
      try pass.embed(scale)
      try pass.runLanguageModel(scale)
      try pass.projectStates(scale)
      try pass.runGenerator(scale)
      try pass.sampleBits(scale, into: &drawn.ownBits[scale.index])
      drawn.bits.append(forcedBits?[scale.index] ?? drawn.ownBits[scale.index])
      pass.addCodes(drawn.bits[scale.index], scale)
    }
    progress(schedule.scales.count, schedule.tokenCount)
    drawn.codes = Array(pass.sum.values)
    return drawn
  }
}
