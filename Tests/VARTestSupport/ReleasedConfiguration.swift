/// The sizes of the released model that have no default.
public enum ReleasedConfiguration {
  /// A `config.json` that states these alone.
  public static let text = """
    {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
     "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
     "vision_config": {"depth": 32, "embed_dim": 1280, "num_heads": 16}}
    """
}
