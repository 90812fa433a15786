/// The recipes that come with the converter, default first.
///
/// The texts equal the files in `conversions/`, which a test compares, so that an installed program needs no files.
enum BuiltInRecipes {
  static let texts: [(name: String, text: String)] = [
    (
      "balanced",
      #"""
      { "recipe_version": 1, "name": "balanced", "architecture": "vargpt_v1_1",
        "description": "Four bits for most bytes, eight where errors weigh more. The default.",
        "rules": [
          { "match": "**", "component": "vae.*", "precision": "f16", "why": "convolutions are small and stay float" },
          { "match": ["vargpt_gen.head.weight", "vargpt_gen.word_embed.weight"], "precision": "f16", "why": "bits are decided here" },
          { "match": "**", "component": "vision", "precision": "int8", "why": "little speed to gain, every picture passes through it" },
          { "match": "**", "component": "llm.embedding", "precision": "int8", "why": "rows are gathered, cheap to keep" },
          { "match": "**", "component": "llm.head", "precision": "int8", "optional": true, "why": "decides the text; absent when tied" },
          { "match": "vargpt_gen.blocks.*.ffn.fc2.weight", "precision": "int8", "why": "its inputs have the largest outliers" },
          { "match": "vargpt_gen.blocks.**", "layers": ["first:2", "last:2"], "precision": "int8", "optional": true, "why": "errors at either end reach the bits undamped" },
          { "match": ["model.layers.*.self_attn.k_proj.weight", "model.layers.*.self_attn.v_proj.weight"], "layers": ["first:1", "last:1"], "precision": "int8", "why": "their keys carry huge biases, and values serve several query heads" },
          { "match": "model.layers.*.mlp.down_proj.weight", "layers": ["first:2", "last:2"], "precision": "int8", "why": "outlier inputs at either end" },
          { "match": "**", "component": "projector", "precision": "int8", "why": "a hundredth of the bytes, a quarter of the errors of a picture" },
          { "match": "**", "precision": "int4", "why": "the bulk of the bytes" } ] }
      """#
    ),
    (
      "int4",
      #"""
      { "recipe_version": 1, "name": "int4", "architecture": "vargpt_v1_1",
        "description": "Four bits per weight in every transformer: a small file.",
        "rules": [
          { "match": ["vae_local.decoder.conv_in.conv.weight", "vae_local.decoder.conv_out.conv.weight"], "precision": "f16", "why": "little work, and their errors are the picture's" },
          { "match": "**", "component": "vae.decoder", "precision": "int8", "group_size": 128, "why": "half the bytes of f16, 55 dB PSNR against f32" },
          { "match": "**", "component": "vae.encoder", "precision": "f16", "why": "its signs are the bits of a picture" },
          { "match": ["vargpt_gen.head.weight", "vargpt_gen.word_embed.weight"], "precision": "f16", "why": "bits are decided here" },
          { "match": "**", "component": "projector", "precision": "int8", "why": "a hundredth of the bytes, a quarter of the errors of a picture" },
          { "match": "**", "precision": "int4" } ] }
      """#
    ),
    (
      "small",
      #"""
      { "recipe_version": 1, "name": "small", "architecture": "vargpt_v1_1",
        "description": "Four bits per weight, a scale for 128: the smallest file, for a calibration.",
        "rules": [
          { "match": ["vae_local.decoder.conv_in.conv.weight", "vae_local.decoder.conv_out.conv.weight"], "precision": "f16", "why": "little work, and their errors are the picture's" },
          { "match": "**", "component": "vae.decoder", "precision": "int8", "group_size": 128, "why": "half the bytes of f16, 55 dB PSNR against f32" },
          { "match": "**", "component": "vae.encoder", "precision": "f16", "why": "its signs are the bits of a picture" },
          { "match": ["vargpt_gen.head.weight", "vargpt_gen.word_embed.weight"], "precision": "f16", "why": "bits are decided here" },
          { "match": "**", "component": "projector", "precision": "int8", "why": "a hundredth of the bytes, a quarter of the errors of a picture" },
          { "match": "**", "precision": "int4", "group_size": 128 } ] }
      """#
    ),
    (
      "int8",
      #"""
      { "recipe_version": 1, "name": "int8", "architecture": "vargpt_v1_1",
        "description": "Eight bits per weight in the transformers.",
        "rules": [
          { "match": ["vae_local.decoder.conv_in.conv.weight", "vae_local.decoder.conv_out.conv.weight"], "precision": "f16", "why": "little work, and their errors are the picture's" },
          { "match": "**", "component": "vae.decoder", "precision": "int8", "group_size": 128, "why": "half the bytes of f16, 55 dB PSNR against f32" },
          { "match": "**", "component": "vae.encoder", "precision": "f16", "why": "its signs are the bits of a picture" },
          { "match": ["vargpt_gen.head.weight", "vargpt_gen.word_embed.weight"], "precision": "f16", "why": "bits are decided here" },
          { "match": "**", "precision": "int8" } ] }
      """#
    ),
    (
      "f16",
      #"""
      { "recipe_version": 1, "name": "f16", "architecture": "vargpt_v1_1",
        "description": "Half precision everywhere.",
        "rules": [
          { "match": "**", "precision": "f16" } ] }
      """#
    ),
    (
      "f32",
      #"""
      { "recipe_version": 1, "name": "f32", "architecture": "vargpt_v1_1",
        "description": "Every weight as it is: the reference for accuracy.",
        "rules": [
          { "match": "**", "precision": "f32" } ] }
      """#
    ),
  ]
}

extension Recipe {
  /// Names of the built-in recipes, default first.
  package static var builtInNames: [String] { BuiltInRecipes.texts.map(\.name) }

  /// A built-in recipe. Throws `unknownRecipe` with the known names.
  package init(builtIn name: String) throws(QuantizationError) {
    guard let found = BuiltInRecipes.texts.first(where: { $0.name == name }) else {
      throw QuantizationError(
        .unknownRecipe, "recipe \(name)",
        "is no file and no built-in recipe; built in are "
          + Self.builtInNames.joined(separator: ", "))
    }
    try self.init(parsing: found.text, source: name)
  }

  /// The text of a built-in recipe, as it stands in `conversions/`.
  package static func builtInText(_ name: String) -> String? {
    BuiltInRecipes.texts.first { $0.name == name }?.text
  }
}
