import VARJSON

/// What `generation_config.json` says about the end of a text and its sampling.
public struct GenerationDefaults: Sendable, Equatable {
  /// Ids that end a text.
  public var endOfSequenceTokens: [Int]
  public var repetitionPenalty: Double

  /// - Parameter config: the document, or nil where a checkpoint has none.
  public init(
    config: JSONValue?, endOfSequence: Int
  ) throws(ConfigurationError) {
    endOfSequenceTokens = [endOfSequence]
    repetitionPenalty = 1
    guard let config else { return }
    let reader = try ConfigurationReader(config, path: "generation_config")
    if let single = reader.value("eos_token_id")?.integerValue {
      endOfSequenceTokens = [single]
    } else {
      endOfSequenceTokens = try reader.integers(
        "eos_token_id", count: 1...64, in: 0...4_194_303, default: [endOfSequence])
    }
    repetitionPenalty = try reader.number("repetition_penalty", in: 0.01...100, default: 1)
  }

  public var json: JSONValue {
    .object(
      JSONObject([
        ("eos_token_id", .array(endOfSequenceTokens.map { .integer($0) })),
        ("repetition_penalty", .number(repetitionPenalty)),
      ]))
  }
}
