import VARJSON

/// Hyper-parameters of the next-scale generator (ARCHITECTURE 2.3).
public struct ScaleTransformerConfiguration: Sendable, Equatable {
  public var depth: Int
  /// Width of a token.
  public var embedDim: Int
  public var numHeads: Int
  /// Hidden width of a block's feed-forward layer.
  public var intermediateSize: Int
  /// Rows of the unconditional text features.
  public var textMaxLength: Int
  /// Bits per token (d).
  public var codebookDim: Int
  /// Rows of the level embedding: the largest number of scales.
  public var numLevels: Int
  public var normEps: Double

  public var headDim: Int { embedDim / numHeads }

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
    intermediateSize =
      fromShapes?.intermediateSize
      ?? 256 * Int((ratio * Double(embedDim) / 256).rounded(.toNearestOrEven))
    let headDim = embedDim / numHeads
    if let infinity {
      try infinity.require(
        embedDim % numHeads == 0 && headDim % 8 == 0 && headDim <= 256, "num_heads",
        "\(numHeads) heads do not cut embed_dim \(embedDim) into heads of a multiple of 8")
    }
  }

  var json: JSONValue {
    .object(
      JSONObject([
        ("depth", .integer(depth)),
        ("embed_dim", .integer(embedDim)),
        ("num_heads", .integer(numHeads)),
        ("mlp_ratio", .number(Double(intermediateSize) / Double(embedDim))),
        ("text_maxlen", .integer(textMaxLength)),
        ("num_levels", .integer(numLevels)),
        ("norm_eps", .number(normEps)),
      ]))
  }
}
