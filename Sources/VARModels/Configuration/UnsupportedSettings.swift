import VARJSON

/// What a configuration may ask for and no network here computes; each is refused by its name.
enum UnsupportedSettings {
  static func check(
    root: ConfigurationReader, text: ConfigurationReader?
  ) throws(ConfigurationError) {
    try checkFamily(root, part: nil)
    if let text { try checkFamily(text, part: "text") }
    for place in [root] + (text.map { [$0] } ?? []) {
      try checkElementTypes(place)
      try checkAttention(place)
      if place.value("quantization_config") != nil {
        throw place.unsupported(
          "quantization_config",
          "weights that are quantized already are not read; take the original checkpoint")
      }
      try GenerationSettings.check(place)
    }
  }

  private static let families: Set = ["vargpt_qwen2_vl", "qwen2_vl"]

  /// - Parameter part: what the types of parts end in.
  static func checkFamily(
    _ reader: ConfigurationReader, part: String?
  ) throws(ConfigurationError) {
    let type = try reader.string("model_type", default: "qwen2_vl")
    let isKnown =
      families.contains(type)
      || part.map { part in families.contains { "\($0)_\(part)" == type } } == true
      // The language model of the family, named by its own.
      || (part == "text" && type == "qwen2")
    guard isKnown else {
      throw reader.unsupported(
        "model_type",
        "\"\(type)\" is another family of models; only VARGPT-v1.1 is supported "
          + "(vargpt_qwen2_vl, qwen2_vl)")
    }
  }

  /// `dtype` is the new name of `torch_dtype`; nothing depends on either, since tensors name their own types.
  static func checkElementTypes(_ reader: ConfigurationReader) throws(ConfigurationError) {
    guard let new = reader.statement("dtype"), let old = reader.statement("torch_dtype") else {
      return
    }
    func name(_ statement: Statement) -> String {
      let text = statement.value.stringValue ?? statement.value.text
      return text.hasPrefix("torch.") ? String(text.dropFirst(6)) : text
    }
    guard name(new) == name(old) else { throw Statement.contradiction(new, old) }
  }

  private static func checkAttention(_ place: ConfigurationReader) throws(ConfigurationError) {
    if try place.bool("use_sliding_window", default: false) {
      throw place.unsupported("use_sliding_window", "true is not supported")
    }
    guard let types = place.value("layer_types") else { return }
    for type in types.arrayValue ?? [types] where type.stringValue != "full_attention" {
      throw place.unsupported(
        "layer_types", "\(type.text) is not supported (full_attention is)")
    }
  }
}
