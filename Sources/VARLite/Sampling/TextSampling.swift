/// How text tokens are picked.
public struct TextSampling: Sendable, Equatable {
  /// 0 takes the most probable token; above, at most 100, logits are divided by it.
  public var temperature: Double
  /// The smallest set of tokens whose probabilities reach this stays, 0...1; 1 keeps all.
  public var topP: Double
  /// The most probable tokens that stay; 0 keeps all.
  public var topK: Int
  /// Logits of tokens that stand in the prompt or the output already are divided (where positive)
  /// or multiplied by this, 0.01...100; nil takes the model's own value.
  public var repetitionPenalty: Double?
  /// The same seed gives the same tokens; without effect at temperature 0.
  public var seed: UInt64
  /// Tokens to write at most; fewer where the model's context ends.
  public var maximumTokens: Int
  /// Goes on after a token that ends the text.
  public var ignoresEndOfSequence: Bool

  public init(
    temperature: Double = 0, topP: Double = 1, topK: Int = 0, repetitionPenalty: Double? = nil,
    seed: UInt64 = 0, maximumTokens: Int = 512, ignoresEndOfSequence: Bool = false
  ) {
    self.temperature = temperature
    self.topP = topP
    self.topK = topK
    self.repetitionPenalty = repetitionPenalty
    self.seed = seed
    self.maximumTokens = maximumTokens
    self.ignoresEndOfSequence = ignoresEndOfSequence
  }

  /// Throws `invalidRequest` for a value outside its range.
  func check() throws(GenerationError) {
    try GenerationError.require(temperature, in: 0...100, "temperature")
    try GenerationError.require(topP, in: 0...1, "top-p")
    try GenerationError.require(topK, in: 0...Int.max, "top-k")
    try GenerationError.require(repetitionPenalty ?? 1, in: 0.01...100, "repetition penalty")
    try GenerationError.require(maximumTokens, in: 0...Int.max, "maximum number of tokens")
  }
}
