import VARModels

/// How a picture is drawn. nil takes the model's own value.
public struct DrawingOptions: Sendable, Equatable {
  /// How large the picture is.
  public var size: ImageSize
  /// The shape of the picture.
  public var aspect: ImageAspect
  /// Guidance strength, 0...100; 1 switches guidance off and halves the work.
  public var cfgScale: Double?
  /// Temperature of the bits, 0.001...1000.
  public var tau: Double?
  /// A bit value whose probability is at most `1 - topP` is never drawn; 0...1.
  public var topP: Double?
  /// Takes the more probable value of every bit.
  public var isGreedy: Bool
  /// The same seed gives the same bits.
  public var seed: UInt64

  public init(
    size: ImageSize = .modelDefault, aspect: ImageAspect = .modelDefault, cfgScale: Double? = nil,
    tau: Double? = nil, topP: Double? = nil, isGreedy: Bool = false, seed: UInt64 = 0
  ) {
    self.size = size
    self.aspect = aspect
    self.cfgScale = cfgScale
    self.tau = tau
    self.topP = topP
    self.isGreedy = isGreedy
    self.seed = seed
  }

  /// - Throws: `invalidRequest` for a value outside its range, `unusableModel` where the file cannot draw.
  func drawing(_ model: VARGPT, weights: ModelWeights) throws(GenerationError) -> ImageDrawing {
    try model.require(.generator, .projector, .vaeDecoder, to: "draw")
    try GenerationError.require(cfgScale ?? 1, in: 0...100, "cfg scale")
    try GenerationError.require(tau ?? 1, in: 0.001...1000, "tau")
    try GenerationError.require(topP ?? 1, in: 0...1, "top-p of the bits")
    let configuration = model.configuration
    let defaults = configuration.imageSampling
    let schedule = try ScheduleSelection.schedule(configuration, size: size, aspect: aspect)
    let sampler = BitSampler(
      cfgScale: Float(cfgScale ?? defaults.cfgScale), tau: Float(tau ?? defaults.tau),
      topP: Float(topP ?? defaults.topP), isGreedy: isGreedy, random: CounterRandom(seed: seed))
    return ImageDrawing(
      model: ScaleTransformer(
        configuration.generator, hiddenSize: configuration.languageModel.hiddenSize,
        weights: weights),
      modelPath: model.path, configuration: configuration, schedule: schedule, sampler: sampler)
  }
}
