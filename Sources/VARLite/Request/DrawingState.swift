import VARModels

/// A drawing up to some scale: small enough to be stored after each, and all that it takes to go on.
///
/// The state resumes with the model and the prompt that it was drawn with; the networks are run again over the scales
/// that it holds, which fills their caches.
public struct DrawingState: Sendable, Equatable {
  /// Hash of the model's weights and metadata.
  public let model: String
  /// Hash of the conversation's tokens up to the answer, and of its last message's pictures.
  public let promptHash: String
  /// Hashes of those pictures as the model sees them, in their order.
  public let pictureHashes: [String]
  /// Type of the cached keys and values, which changes bits a little.
  public let kvType: KVType
  /// Scales of the whole picture, coarse to fine.
  public let schedule: ScaleSchedule
  /// Guidance strength, temperature of the bits, and the bound on improbable ones, as in ``DrawingRequest``.
  public let cfgScale, tau, topP: Double
  /// Whether the more probable value of every bit is taken.
  public let isGreedy: Bool
  /// Scales, coarse to fine, that are guided.
  public let guidedScaleCount: Int
  /// Scales, coarse to fine, of which the language model reads every token.
  public let denseScaleCount: Int
  /// What the bits are drawn with.
  public let seed: UInt64
  /// What the bits of coarse scales are drawn with instead, in a variation that shares them with another drawing.
  public let coarseSeeds: [CoarseSeed]
  /// Whether the model was asked to draw without a word.
  public let startsAtOnce: Bool
  /// Tokens that the model wrote before the picture, the one that starts it included.
  public let answerTokens: [Int32]
  /// Bits of the scales that are drawn: `[tokens, codebookDim]` each, 0 or 1.
  public internal(set) var bits: [[UInt8]]

  /// The seed of some coarse scales.
  public struct CoarseSeed: Sendable, Equatable {
    /// It is that of the scales below this one that have no earlier entry.
    public let scaleCount: Int
    /// What their bits are drawn with.
    public let seed: UInt64
  }

  /// Whether all scales are drawn.
  public var isComplete: Bool { bits.count == schedule.scales.count }

  /// The seed that a scale is drawn with.
  func seed(ofScale index: Int) -> UInt64 {
    coarseSeeds.first { index < $0.scaleCount }?.seed ?? seed
  }

  /// The seeds of a variation that has the first scales of this drawing and another seed behind them.
  func coarseSeeds(keeping scaleCount: Int, seed: UInt64) -> [CoarseSeed] {
    var seeds: [CoarseSeed] = []
    for index in 0..<scaleCount {
      let own = self.seed(ofScale: index)
      if seeds.last?.seed == own { seeds.removeLast() }
      seeds.append(CoarseSeed(scaleCount: index + 1, seed: own))
    }
    if seeds.last?.seed == seed { seeds.removeLast() }
    return seeds
  }

  /// Throws `request` unless the drawing was begun with so many pictures.
  func requirePictures(count: Int) throws(VARLiteError) {
    guard count == pictureHashes.count else {
      throw VARLiteError(
        .request,
        "the saved drawing was made from another number of pictures (\(pictureHashes.count), not "
          + "\(count))")
    }
  }

  /// Throws `request` unless pictures are those that the drawing was begun with.
  func requirePictures(_ hashes: [String]) throws(VARLiteError) {
    try requirePictures(count: hashes.count)
    for (index, pair) in zip(pictureHashes, hashes).enumerated() where pair.0 != pair.1 {
      throw VARLiteError(
        .request,
        "picture \(index + 1) is not the one that the saved drawing was made from, or is seen in "
          + "another size")
    }
  }

  /// Throws `request` unless a model could have drawn this: its scales, and bits of the first ones.
  func check(_ model: Model) throws(VARLiteError) {
    guard self.model == model.contentHash else {
      throw VARLiteError(
        .request,
        "the saved drawing was made by another model (\(self.model), not \(model.contentHash))")
    }
    let configuration = model.configuration
    guard ScheduleSelection.offers(schedule, configuration) else {
      throw VARLiteError(.request, "the saved drawing has scales that no picture of the model has")
    }
    let counts = schedule.scales.map { $0.tokenCount * configuration.generator.codebookDim }
    guard bits.count <= counts.count, bits.map(\.count) == Array(counts.prefix(bits.count)) else {
      throw VARLiteError(
        .request, "the saved drawing has bits of \(bits.map(\.count)), the scales take \(counts)")
    }
  }
}
