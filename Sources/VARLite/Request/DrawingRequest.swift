import VARModels

/// How a picture is drawn. nil takes the model's own value.
public struct DrawingRequest: Sendable, Equatable {
  /// What comes before the picture.
  public enum Start: Sendable, Equatable {
    /// The model writes some words first. Where it starts no picture behind them, it is made to.
    case afterText
    /// Nothing: the model draws without a word.
    case atOnce
    /// As with ``afterText``, but a picture is drawn only where the model starts it by itself.
    case whereTheModelStarts
  }

  /// What comes before the picture.
  public var start: Start
  /// How large the picture is.
  public var size: DrawingSize
  /// The shape of the picture.
  public var aspect: DrawingAspect
  /// Guidance strength, 0...100; 1 switches guidance off and halves the work.
  public var cfgScale: Double?
  /// Which scales are guided. Those that are not are drawn by the conditional branch alone, nearly half the work
  /// for another picture, much like the full one.
  public var guidedScales: LeadingScales
  /// Of which scales the language model reads every token. Of the others it reads a quarter: every second one of every
  /// second row. The picture generator gets the means of what it made of them for the tokens between.
  public var denseScales: LeadingScales
  /// Temperature of the bits, 0.001...1000.
  public var tau: Double?
  /// A bit value whose probability is at most `1 - topP` is never drawn; 0...1.
  public var topP: Double?
  /// Takes the more probable value of every bit.
  public var isGreedy: Bool
  /// The same seed gives the same bits.
  public var seed: UInt64
  /// Scales after which the request hands out a picture of what is drawn so far.
  public var previews: Previews
  /// What previews are made by.
  public var previewQuality: PreviewQuality
  /// A drawing whose words and first scales are taken over; nil begins anew.
  public private(set) var history: DrawingState?
  /// Scales that are those of the history: its bits, and where they end what its seeds draw.
  public private(set) var keptScaleCount: Int

  /// After which scales there is a preview.
  public enum Previews: Sendable, Equatable {
    case none
    /// After every scale but the last.
    case everyScale
    /// This many, evenly spaced over the scales.
    case count(Int)
  }

  /// What previews are made by.
  public enum PreviewQuality: Sendable, Equatable {
    /// The whole picture decoder, each time.
    case decoded
    /// The map of colours in the model's file, in no time and with a pixel for each token; the picture decoder where
    /// the file has none.
    case quick
  }

  /// Draws behind the model's own words, without previews; the properties change that.
  public init(
    size: DrawingSize = .modelDefault, aspect: DrawingAspect = .modelDefault,
    cfgScale: Double? = nil, isGreedy: Bool = false, seed: UInt64 = 0
  ) {
    start = .afterText
    self.size = size
    self.aspect = aspect
    self.cfgScale = cfgScale
    guidedScales = .all
    denseScales = .all
    self.isGreedy = isGreedy
    self.seed = seed
    previews = .none
    previewQuality = .decoded
    keptScaleCount = 0
  }

  /// Goes on with a drawing that was stopped: the same picture, bit by bit, as if it had not been.
  public init(resuming state: DrawingState) {
    let coarse = state.coarseSeeds.last?.scaleCount ?? 0
    self.init(of: state, keeping: max(state.bits.count, coarse), seed: state.seed)
  }

  /// Draws a variation: the coarse scales of a drawing, then others with another seed.
  ///
  /// - Parameter scaleCount: scales that are the same. Those that the state does not hold are drawn again.
  public init(varying state: DrawingState, keepingScales scaleCount: Int, seed: UInt64) {
    self.init(of: state, keeping: scaleCount, seed: seed)
  }

  private init(of state: DrawingState, keeping scaleCount: Int, seed: UInt64) {
    self.init(isGreedy: state.isGreedy, seed: seed)
    (cfgScale, tau, topP) = (state.cfgScale, state.tau, state.topP)
    start = state.startsAtOnce ? .atOnce : .afterText
    guidedScales = .first(state.guidedScaleCount)
    denseScales = .first(state.denseScaleCount)
    history = state
    keptScaleCount = scaleCount
  }
}

extension DrawingRequest {
  /// - Throws: `request` for a value outside its range, `model` where the file cannot draw.
  func drawing(_ model: Model) throws(VARLiteError) -> ImageDrawing {
    try model.require(.generator, .projector, .vaeDecoder, to: "draw")
    try VARLiteError.require(cfgScale ?? 1, in: 0...100, "cfg scale")
    try VARLiteError.require(tau ?? 1, in: 0.001...1000, "tau")
    try VARLiteError.require(topP ?? 1, in: 0...1, "top-p of the bits")
    let configuration = model.configuration
    let schedule = try schedule(model)
    if case .count(let count) = previews {
      try VARLiteError.require(count, in: 0...schedule.scales.count - 1, "number of previews")
    }
    let counts = 1...schedule.scales.count
    try VARLiteError.require(
      guidedScales.count(in: schedule), in: counts, "number of guided scales")
    try VARLiteError.require(denseScales.count(in: schedule), in: counts, "number of dense scales")
    let settings = settings(configuration.imageSampling, schedule)
    let sampler = BitSampler(
      cfgScale: Float(settings.cfgScale), tau: Float(settings.tau), topP: Float(settings.topP),
      isGreedy: isGreedy, random: CounterRandom(seed: seed))
    var drawing = ImageDrawing(
      modelPath: model.path, configuration: configuration, schedule: schedule, sampler: sampler,
      ScaleShortcuts(
        guidedCount: settings.guidedScaleCount, denseCount: settings.denseScaleCount))
    if let history {
      drawing.keep(
        Array(history.bits.prefix(keptScaleCount)),
        drawing: (0..<keptScaleCount).map(history.seed(ofScale:)))
    }
    return drawing
  }

  /// The scales of the history where there is one, else those of the size and the shape.
  func schedule(_ model: Model) throws(VARLiteError) -> ScaleSchedule {
    guard let history else {
      return try ScheduleSelection.schedule(model.configuration, size: size, aspect: aspect)
    }
    try VARLiteError.require(
      keptScaleCount, in: 0...history.schedule.scales.count, "number of kept scales")
    try history.check(model)
    return history.schedule
  }

  /// The settings with the model's own where the request has none.
  func settings(_ model: Model) throws(VARLiteError) -> Response.Settings.Drawing {
    settings(model.configuration.imageSampling, try schedule(model))
  }

  func settings(
    _ defaults: ImageSamplingDefaults, _ schedule: ScaleSchedule
  ) -> Response.Settings.Drawing {
    Response.Settings.Drawing(
      cfgScale: cfgScale ?? defaults.cfgScale, tau: tau ?? defaults.tau,
      topP: topP ?? defaults.topP, isGreedy: isGreedy,
      guidedScaleCount: guidedScales.count(in: schedule),
      denseScaleCount: denseScales.count(in: schedule), scaleCount: schedule.scales.count)
  }

  /// The seeds of coarse scales that are others than ``seed``.
  var coarseSeeds: [DrawingState.CoarseSeed] {
    history?.coarseSeeds(keeping: keptScaleCount, seed: seed) ?? []
  }

  /// Whether the picture is asked for without a word before it.
  var startsAtOnce: Bool { history?.startsAtOnce ?? (start == .atOnce) }

  /// Whether there may be previews.
  var hasPreviews: Bool { previews != .none && previews != .count(0) }

  /// What previews of a model are made by; nil where there are none.
  func previewSource(_ model: Model) -> PreviewQuality? {
    guard hasPreviews else { return nil }
    return previewQuality == .quick && model.hasQuickPreviews ? .quick : .decoded
  }

  /// Whether there is a preview after a scale.
  func hasPreview(afterScale index: Int, of count: Int) -> Bool {
    guard index + 1 < count else { return false }
    switch previews {
    case .none: return false
    case .everyScale: return true
    case .count(let number):
      // The n-th of N previews stands where n / (N + 1) of the scales are drawn.
      return (0..<number).contains { ($0 + 1) * count / (number + 1) == index + 1 }
    }
  }
}
