import VARJSON

/// The settings of `generation_config.json`, which older versions of transformers keep in `config.json`.
enum GenerationSettings {
  /// Settings that would change which tokens come, each with the number that asks for nothing.
  private static let refused: [(name: String, neutral: Double?)] = [
    ("no_repeat_ngram_size", 0), ("bad_words_ids", nil), ("suppress_tokens", nil),
    ("begin_suppress_tokens", nil), ("force_words_ids", nil), ("constraints", nil),
    ("forced_bos_token_id", nil), ("forced_eos_token_id", nil), ("forced_decoder_ids", nil),
    ("sequence_bias", nil), ("exponential_decay_length_penalty", nil), ("min_length", 0),
    ("min_new_tokens", 0), ("encoder_no_repeat_ngram_size", 0),
    ("encoder_repetition_penalty", 1), ("guidance_scale", 1), ("stop_strings", nil),
    ("watermarking_config", nil),
  ]

  /// Settings that versions of transformers write although they ask for nothing.
  private static let neutral: [String: JSONValue] = [
    "num_beams": .integer(1), "num_beam_groups": .integer(1), "num_return_sequences": .integer(1),
    "diversity_penalty": .integer(0), "length_penalty": .integer(1), "typical_p": .integer(1),
    "epsilon_cutoff": .integer(0), "eta_cutoff": .integer(0), "repetition_penalty": .integer(1),
    "early_stopping": .bool(false), "renormalize_logits": .bool(false),
    "remove_invalid_values": .bool(false), "output_scores": .bool(false),
    "output_logits": .bool(false), "output_attentions": .bool(false),
    "output_hidden_states": .bool(false), "return_dict_in_generate": .bool(false),
    "token_healing": .bool(false), "is_assistant": .bool(false),
  ]

  /// Refuses a setting that would change which tokens come.
  static func check(_ reader: ConfigurationReader) throws(ConfigurationError) {
    for (name, neutral) in refused {
      guard let value = reader.value(name), !isNothing(value, neutral) else { continue }
      throw reader.unsupported(
        name, "\(value.text) is not supported; remove it to have texts without it")
    }
  }

  /// Whether a setting asks for nothing.
  static func isWithoutEffect(_ name: String, _ value: JSONValue) -> Bool {
    if let entry = refused.first(where: { $0.name == name }) {
      return isNothing(value, entry.neutral)
    }
    guard let neutral = neutral[name] else { return false }
    return value == neutral
      || (value.doubleValue != nil && value.doubleValue == neutral.doubleValue)
  }

  private static func isNothing(_ value: JSONValue, _ neutral: Double?) -> Bool {
    switch value {
    case .null: true
    case .integer, .number: value.doubleValue == neutral
    case .array(let items): items.isEmpty
    case .object(let object): object.members.isEmpty
    case .bool, .string: false
    }
  }

  /// Keys of `generation_config.json` that are read, or that only say where a text would be sampled by others.
  static let known: Set = [
    "eos_token_id", "bos_token_id", "pad_token_id", "repetition_penalty", "do_sample",
    "temperature", "top_p", "top_k", "max_length", "max_new_tokens", "use_cache",
    "cache_implementation", "cache_config", "transformers_version", "special_tokens",
    "allowed_special_tokens", "_from_model_config", "attn_implementation",
  ]
}
