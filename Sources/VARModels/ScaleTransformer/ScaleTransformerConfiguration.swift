import VARJSON

/// Hyper-parameters of the next-scale generator (MODEL 2.3).
package struct ScaleTransformerConfiguration: Sendable, Equatable {
  package var depth: Int
  /// Width of a token.
  package var embedDim: Int
  package var numHeads: Int
  /// Hidden width of a block's feed-forward layer.
  package var intermediateSize: Int
  /// Rows of the unconditional text features.
  package var textMaxLength: Int
  /// Bits per token (d).
  package var codebookDim: Int
  /// Rows of the level embedding: the largest number of scales.
  package var numLevels: Int
  package var normEps: Double

  package var headDim: Int { embedDim / numHeads }

  init(
    _ reader: ConfigurationReader?, shapes: TensorShapes
  ) throws(ConfigurationError) {
    let infinity = try reader?.nested("infinity")
    func integer(
      _ name: String, _ range: ClosedRange<Int>, _ inferred: Int?, _ released: Int
    ) throws(ConfigurationError) -> Int {
      try infinity?.integer(name, in: range, default: inferred ?? released) ?? inferred ?? released
    }
    let fromShapes = shapes.generator
    depth = try integer("depth", 1...1024, fromShapes?.depth, 32)
    embedDim = try integer("embed_dim", 16...65_536, fromShapes?.embedDim, 2048)
    numHeads = try integer("num_heads", 1...1024, fromShapes?.numHeads, 16)
    textMaxLength = try integer("text_maxlen", 1...65_536, fromShapes?.textMaxLength, 512)
    numLevels = try integer("num_levels", 1...64, fromShapes?.numLevels, 15)
    normEps = try infinity?.number("norm_eps", in: 1e-12...1, default: 1e-6) ?? 1e-6
    codebookDim =
      try reader?.nested("vae")?.integer(
        "codebook_dim", in: 1...256, default: fromShapes?.codebookDim ?? 32)
      ?? fromShapes?.codebookDim ?? 32
    let ratio = try infinity?.number("mlp_ratio", in: 0.25...64, default: 4) ?? 4
    let rounded = 256 * Int((ratio * Double(embedDim) / 256).rounded(.toNearestOrEven))
    intermediateSize = try integer(
      "intermediate_size", 16...1_048_576, fromShapes?.intermediateSize, rounded)
    try check()
  }

  private func check() throws(ConfigurationError) {
    func require(
      _ condition: Bool, _ name: String, _ detail: @autoclosure () -> String
    ) throws(ConfigurationError) {
      guard condition else {
        throw ConfigurationError(
          code: .inconsistent, key: "vargpt_gen.infinity.\(name)", detail: detail())
      }
    }
    try require(
      depth > 0 && numLevels > 0 && textMaxLength > 0 && intermediateSize > 0, "depth",
      "a size of 0")
    try require(
      numHeads > 0 && embedDim % max(numHeads, 1) == 0, "num_heads",
      "\(numHeads) heads do not divide embed_dim \(embedDim)")
    try require(
      embedDim % 16 == 0 && headDim % 8 == 0 && (8...256).contains(headDim), "num_heads",
      "a head of \(headDim) values is not supported (a multiple of 8, at most 256)")
    try require((1...256).contains(codebookDim), "codebook_dim", "\(codebookDim) bits per token")
  }

  var json: JSONValue {
    .object(
      JSONObject([
        ("depth", .integer(depth)),
        ("embed_dim", .integer(embedDim)),
        ("num_heads", .integer(numHeads)),
        ("intermediate_size", .integer(intermediateSize)),
        ("text_maxlen", .integer(textMaxLength)),
        ("num_levels", .integer(numLevels)),
        ("norm_eps", .number(normEps)),
      ]))
  }
}
