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
  /// Tokens to write at most; fewer where the model's context ends. nil takes 512 for an answer, and 128 for the words
  /// before a picture.
  public var maximumTokens: Int?
  /// The text ends before the first of these that it would hold.
  public var stopStrings: [String] = []
  /// Goes on after a token that ends the text.
  public var ignoresEndOfSequence = false

  /// By default the most probable token is taken every time; the other properties can be set afterwards.
  public init(
    temperature: Double = 0, topP: Double = 1, topK: Int = 0, seed: UInt64 = 0,
    maximumTokens: Int? = nil
  ) {
    self.temperature = temperature
    self.topP = topP
    self.topK = topK
    self.seed = seed
    self.maximumTokens = maximumTokens
  }

  /// Tokens of an answer at most, where nothing else is stated.
  static let answerTokens = 512
  /// Tokens before a picture at most, where nothing else is stated.
  static let captionTokens = 128

  /// Throws `request` for a value outside its range.
  func check() throws(VARLiteError) {
    try VARLiteError.require(temperature, in: 0...100, "temperature")
    try VARLiteError.require(topP, in: 0...1, "top-p")
    try VARLiteError.require(topK, in: 0...Int.max, "top-k")
    try VARLiteError.require(repetitionPenalty ?? 1, in: 0.01...100, "repetition penalty")
    try VARLiteError.require(maximumTokens ?? 0, in: 0...Int.max, "maximum number of tokens")
    guard !stopStrings.contains("") else {
      throw VARLiteError(.request, "a stop string is empty; it would end every text")
    }
  }
}
