import VARJSON

/// `vision_config` with the keys and the kinds of values that ``VisionConfiguration`` reads.
struct VisionDialect {
  let json: JSONValue
  let unknownKeys: [String]

  /// Other names of what this module reads.
  private static let synonyms = [
    ("num_heads", "num_attention_heads"), ("depth", "num_hidden_layers"),
    ("patch_size", "spatial_patch_size"),
  ]

  private static let knownKeys: Set = [
    "depth", "embed_dim", "num_heads", "mlp_ratio", "patch_size", "spatial_merge_size",
    "temporal_patch_size", "hidden_act", "hidden_size", "in_channels", "in_chans", "model_type",
    "num_attention_heads", "num_hidden_layers", "spatial_patch_size", "rope_parameters",
    "initializer_range",
  ]

  /// - Parameter hiddenSize: the width of the language model, which the tower ends in.
  init(_ reader: ConfigurationReader, hiddenSize: JSONValue?) throws(ConfigurationError) {
    try UnsupportedSettings.checkFamily(reader, part: "vision")
    try UnsupportedSettings.checkElementTypes(reader)
    var flat = reader.object
    for name in ["patch_size", "temporal_patch_size"] {
      flat[name] = Self.side(flat[name])
    }
    let plain = try ConfigurationReader(.object(flat), path: reader.path)
    for (name, synonym) in Self.synonyms {
      flat[name] = try Statement.agreed([name, synonym].compactMap { plain.statement($0) })
    }
    _ = try Statement.agreed(
      (hiddenSize.map { [Statement(key: "hidden_size", value: $0)] } ?? [])
        + [reader.statement("hidden_size")].compactMap { $0 })
    for name in ["in_channels", "in_chans"] {
      _ = try reader.integer(name, in: 3...3, default: 3)
    }
    var unknownKeys = reader.unknownKeys(besides: Self.knownKeys.union(KnownKeys.everywhere))
    if let rotary = try reader.nested("rope_parameters") {
      try RotaryDialect.checkType(of: rotary, known: ["default", "axial"])
      // The official code has this base in its sources.
      _ = try rotary.number("rope_theta", in: 1e4...1e4, default: 1e4)
      unknownKeys += rotary.unknownKeys(besides: ["rope_type", "type", "rope_theta"])
    }
    json = .object(flat)
    self.unknownKeys = unknownKeys
  }

  /// The side of a square that may be written as two equal numbers.
  private static func side(_ value: JSONValue?) -> JSONValue? {
    guard let sides = value?.arrayValue, let first = sides.first,
      sides.count == 2, sides[1].integerValue == first.integerValue
    else { return value }
    return first
  }
}
