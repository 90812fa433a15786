import VARJSON
import VARModels

/// The networks whose speed can be measured without their weights.
package enum ModelShape: String, Sendable, CaseIterable {
  /// The language model of the released VARGPT-v1.1 alone.
  case qwen2Large = "qwen2-7b"
  case qwen2Middle = "qwen2-1.5b"
  case qwen2Small = "qwen2-0.5b"
  /// All of the released model: vision tower, language model, generator, picture tokenizer.
  case vargpt = "vargpt-v1.1"
  /// A model of some megabytes: for trying the program out. Its feed-forward is wide enough to be shared by threads.
  case tiny

  /// Whether it can draw.
  package var hasGenerator: Bool { self == .vargpt || self == .tiny }

  /// Components that weights are made for.
  var components: [TensorSpecification.Component] {
    hasGenerator ? TensorSpecification.Component.allCases : [.llmEmbedding, .llm, .llmHead]
  }

  /// The configuration as the checkpoint would spell it; what is not stated is the released model's.
  func configuration() throws(ConfigurationError) -> VARGPTConfiguration {
    var object = JSONObject([
      ("max_position_embeddings", .integer(32_768)), ("rms_norm_eps", .number(1e-6)),
      ("rope_theta", .number(1e6)),
    ])
    for (key, value) in language.members { object[key] = value }
    object["vision_config"] = .object(
      JSONObject([
        ("depth", .integer(self == .tiny ? 1 : 32)),
        ("embed_dim", .integer(self == .tiny ? 64 : 1280)),
        ("num_heads", .integer(self == .tiny ? 2 : 16)), ("mlp_ratio", .integer(4)),
      ]))
    if self == .tiny { addTinyParts(&object) }
    return try VARGPTConfiguration(config: .object(object))
  }

  private var language: LanguageShape {
    switch self {
    case .qwen2Large, .vargpt:
      LanguageShape(
        hiddenSize: 3584, intermediateSize: 18_944, layers: 28, heads: 28, keyValueHeads: 4,
        vocabSize: 152_064)
    case .qwen2Middle:
      LanguageShape(
        hiddenSize: 1536, intermediateSize: 8960, layers: 28, heads: 12, keyValueHeads: 2,
        vocabSize: 151_936, isTied: true)
    case .qwen2Small:
      LanguageShape(
        hiddenSize: 896, intermediateSize: 4864, layers: 24, heads: 14, keyValueHeads: 2,
        vocabSize: 151_936, isTied: true)
    case .tiny:
      LanguageShape(
        hiddenSize: 128, intermediateSize: 16_384, layers: 2, heads: 4, keyValueHeads: 2,
        vocabSize: 1024)
    }
  }

  private func addTinyParts(_ object: inout JSONObject) {
    let tokens = [
      "eos_token_id", "vision_start_token_id", "vision_end_token_id", "image_token_id",
      "video_token_id",
    ]
    for (index, name) in tokens.enumerated() { object[name] = .integer(1000 + index) }
    object["special_tokens"] = .object(
      JSONObject([
        ("image_gen_start_token_id", .integer(1010)), ("image_gen_end_token_id", .integer(1011)),
        ("image_gen_pad_token_id", .integer(1012)),
      ]))
    let infinity = JSONObject([
      ("depth", .integer(5)), ("embed_dim", .integer(64)), ("num_heads", .integer(2)),
      ("text_maxlen", .integer(16)),
    ])
    object["vargpt_gen"] = .object(
      JSONObject([
        ("infinity", .object(infinity)),
        ("vae", .object(JSONObject([("base_ch", .integer(32)), ("num_res_blocks", .integer(1))]))),
      ]))
  }
}

/// The sizes of a language model.
private struct LanguageShape {
  let hiddenSize, intermediateSize, layers, heads, keyValueHeads, vocabSize: Int
  /// Whether the head is the embedding.
  var isTied = false

  /// As the checkpoint's configuration would spell them.
  var members: [(String, JSONValue)] {
    let half = hiddenSize / heads / 2
    // A quarter of the pairs turns by the temporal position, the rest by height and width.
    let sections = [half / 4, (half - half / 4) / 2, half - half / 4 - (half - half / 4) / 2]
    return [
      ("hidden_size", .integer(hiddenSize)), ("intermediate_size", .integer(intermediateSize)),
      ("num_hidden_layers", .integer(layers)), ("num_attention_heads", .integer(heads)),
      ("num_key_value_heads", .integer(keyValueHeads)), ("vocab_size", .integer(vocabSize)),
      ("tie_word_embeddings", .bool(isTied)),
      (
        "rope_scaling",
        .object(JSONObject([("mrope_section", .array(sections.map { .integer($0) }))]))
      ),
    ]
  }
}
