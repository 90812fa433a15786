/// How text tokens are picked.
public struct TextSampling: Sendable, Equatable {
  /// 0 takes the most probable token; above, logits are divided by it.
  public var temperature: Double
  /// The smallest set of tokens whose probabilities reach this stays; 1 keeps all.
  public var topP: Double
  /// The most probable tokens that stay; 0 keeps all.
  public var topK: Int
  /// Logits of tokens that stand in the prompt or the output already are divided (where positive)
  /// or multiplied by this. nil takes the model's own value.
  public var repetitionPenalty: Double?
  public var seed: UInt64
  /// Tokens to write at most.
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
}
