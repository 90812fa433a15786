import VARJSON

/// A `config.json` in the one form that the readers of this module understand, whichever program saved it.
///
/// transformers 5 keeps the language model's keys under `text_config` and the rotary ones under `rope_parameters`,
/// versions before 4.52 keep both at the root, and those between in both places. Here everything stands at the root.
/// Keys that contradict each other are refused, and so are settings of models that the networks here do not compute.
package struct ConfigurationDialect: Sendable {
  /// The flat document.
  package let json: JSONValue
  /// Every id that ends a text, in the order of the document; empty where it states none.
  package let endOfSequenceTokens: [Int]
  /// Dotted names of the stated keys that nothing here knows, in the order of the document.
  package let unknownKeys: [String]

  /// Keys that versions of transformers keep at the root, under `text_config`, or in both places.
  private static let sharedKeys = [
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "hidden_act",
    "rms_norm_eps", "tie_word_embeddings", "vision_start_token_id", "vision_end_token_id",
    "image_token_id", "video_token_id", "special_tokens", "vargpt_gen",
  ]

  /// - Parameter config: the document as a checkpoint or a `.vq4` file has it.
  /// - Throws: `ConfigurationError` that names the key, or both keys of a contradiction.
  package init(_ config: JSONValue) throws(ConfigurationError) {
    let root = try ConfigurationReader(config)
    let text = try root.nested("text_config")
    let places = [root] + (text.map { [$0] } ?? [])
    try UnsupportedSettings.check(root: root, text: text)
    var flat = root.object
    flat["text_config"] = nil
    flat["rope_parameters"] = nil
    for name in Self.sharedKeys {
      flat[name] = try Statement.agreed(places.compactMap { $0.statement(name) })
    }
    let rotary = try RotaryDialect(places)
    flat["rope_theta"] = rotary.theta
    flat["rope_scaling"] = rotary.scaling
    endOfSequenceTokens = try Self.endOfSequence(places)
    flat["eos_token_id"] = endOfSequenceTokens.first.map { .integer($0) }
    var unknownKeys =
      root.unknownKeys(besides: KnownKeys.root) + (text?.unknownKeys(besides: KnownKeys.text) ?? [])
      + rotary.unknownKeys
    if let reader = try root.nested("vision_config") {
      let vision = try VisionDialect(reader, hiddenSize: flat["hidden_size"])
      flat["vision_config"] = vision.json
      unknownKeys += vision.unknownKeys
    }
    let reader = try ConfigurationReader(.object(flat))
    try Self.checkHeads(reader)
    unknownKeys += try KnownKeys.unknownOfGenerator(reader)
    json = .object(flat)
    self.unknownKeys = unknownKeys
  }

  /// `head_dim` is stated beside what it follows from.
  private static func checkHeads(_ reader: ConfigurationReader) throws(ConfigurationError) {
    guard reader.value("head_dim") != nil else { return }
    let head = try reader.integer("head_dim", in: 1...65_536)
    guard let width = reader.value("hidden_size")?.integerValue,
      let count = reader.value("num_attention_heads")?.integerValue, count > 0
    else { return }
    try reader.require(
      head.multipliedReportingOverflow(by: count) == (width, false), "head_dim",
      "is \(head), but hidden_size \(width) / num_attention_heads \(count) is another width; "
        + "no such model is supported")
  }

  /// The ids of one number or of a list.
  private static func endOfSequence(
    _ places: [ConfigurationReader]
  ) throws(ConfigurationError) -> [Int] {
    var found: (key: String, ids: [Int])?
    for place in places {
      guard let statement = place.statement("eos_token_id") else { continue }
      let range = 0...4_194_303
      let ids =
        if statement.value.arrayValue == nil {
          [try place.integer("eos_token_id", in: range)]
        } else {
          try place.integers("eos_token_id", count: 1...64, in: range, default: [])
        }
      if let found, Set(found.ids) != Set(ids) {
        throw Statement.contradiction(
          Statement(key: found.key, value: .array(found.ids.map { .integer($0) })),
          Statement(key: statement.key, value: .array(ids.map { .integer($0) })))
      }
      if found == nil { found = (statement.key, ids) }
    }
    return found?.ids ?? []
  }
}
