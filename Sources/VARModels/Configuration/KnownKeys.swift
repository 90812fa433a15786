import VARJSON

/// Keys of `config.json` that are read, or that are known to say nothing about the networks.
enum KnownKeys {
  /// What every part of a configuration may hold.
  static let everywhere: Set = [
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
    "add_cross_attention", "architectures", "attn_implementation", "auto_map",
    "bos_token_id", "chunk_size_feed_forward", "cross_attention_hidden_size",
    "decoder_start_token_id", "do_sample", "dtype", "eos_token_id", "finetuning_task", "id2label",
    "is_decoder", "is_encoder_decoder", "label2id", "max_length", "model_type", "name_or_path",
    "pad_token_id", "prefix", "problem_type", "pruned_heads", "return_dict", "sep_token_id",
    "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
    "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
    "use_bfloat16", "use_cache",
  ]

  private static let languageModel: Set = [
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "hidden_act",
    "rms_norm_eps", "tie_word_embeddings", "rope_theta", "rope_scaling", "rope_parameters",
    "partial_rotary_factor", "vision_start_token_id", "vision_end_token_id", "vision_token_id",
    "image_token_id", "video_token_id", "special_tokens", "vargpt_gen", "attention_dropout",
    "initializer_range", "layer_types", "max_window_layers", "padding_side", "sliding_window",
    "train_from_scratch", "use_sliding_window",
  ]

  static let text = everywhere.union(languageModel)
  static let root = text.union(["text_config", "vision_config"])

  private static let generator: [(path: [String], keys: Set<String>)] = [
    (
      [],
      [
        "scale_schedule", "rope_reference_hw", "h_div_w", "pn", "infinity", "vae", "sampling",
        "training", "_comment",
      ]
    ),
    (
      ["infinity"],
      [
        "depth", "embed_dim", "num_heads", "intermediate_size", "mlp_ratio", "text_maxlen",
        "num_levels", "norm_eps", "attn_head_dim", "block_chunks", "text_channels",
      ]
    ),
    (
      ["vae"],
      [
        "base_ch", "ch_mult", "num_res_blocks", "codebook_dim", "group_norm_groups",
        "group_norm_eps",
      ]
    ),
    (["sampling"], ["cfg", "tau", "top_p", "top_k"]),
    (["training"], ["sizes"]),
  ]

  /// Keys below `vargpt_gen` that nothing knows.
  static func unknownOfGenerator(
    _ root: ConfigurationReader
  ) throws(ConfigurationError) -> [String] {
    guard let extra = try root.nested("vargpt_gen") else { return [] }
    var unknown: [String] = []
    for (path, keys) in generator {
      var reader: ConfigurationReader? = extra
      for name in path { reader = try reader?.nested(name) }
      unknown += reader?.unknownKeys(besides: keys) ?? []
    }
    return unknown
  }
}
