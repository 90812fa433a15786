import VARJSON

/// What `generation_config.json` says about the end of a text and its sampling.
package struct GenerationDefaults: Sendable, Equatable {
  /// Ids that end a text.
  package var endOfSequenceTokens: [Int]
  package var repetitionPenalty: Double

  /// Names of the stated keys that nothing here knows.
  package static func unknownKeys(of config: JSONValue) throws(ConfigurationError) -> [String] {
    let unknown = try ConfigurationReader(config, path: documentName).unknownKeys(
      besides: GenerationSettings.known)
    return unknown.map { String($0.dropFirst(documentName.count + 1)) }
  }

  private static let documentName = "generation_config"

  /// - Parameters:
  ///   - config: the document, or nil where a checkpoint has none.
  ///   - endOfSequence: the ids that end a text where the document states none.
  /// - Throws: `ConfigurationError` that names the key, also for a setting that would change which tokens come and is
  ///   not supported.
  package init(
    config: JSONValue?, endOfSequence: [Int]
  ) throws(ConfigurationError) {
    endOfSequenceTokens = endOfSequence
    repetitionPenalty = 1
    guard let config else { return }
    let reader = try ConfigurationReader(config, path: Self.documentName)
    try GenerationSettings.check(reader)
    let ids = 0...4_194_303
    if reader.value("eos_token_id")?.integerValue != nil {
      endOfSequenceTokens = [try reader.integer("eos_token_id", in: ids)]
    } else {
      endOfSequenceTokens = try reader.integers(
        "eos_token_id", count: 1...64, in: ids, default: endOfSequence)
    }
    repetitionPenalty = try reader.number("repetition_penalty", in: 0.01...100, default: 1)
  }

  package var json: JSONValue {
    .object(
      JSONObject([
        ("eos_token_id", .array(endOfSequenceTokens.map { .integer($0) })),
        ("repetition_penalty", .number(repetitionPenalty)),
      ]))
  }
}
