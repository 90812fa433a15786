import VARJSON

/// Hyper-parameters of the language model (Qwen2 with M-RoPE), spelled as in `config.json`.
package struct Qwen2Configuration: Sendable, Equatable {
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var numHiddenLayers: Int
  package var numAttentionHeads: Int
  package var numKeyValueHeads: Int
  package var vocabSize: Int
  package var maxPositionEmbeddings: Int
  package var rmsNormEps: Double
  package var ropeTheta: Double
  /// Frequency indices that turn by the temporal, the height and the width position; they add up to `headDim / 2`.
  /// A section of 0 is valid: no frequency turns by that position.
  package var mropeSection: [Int]
  package var tieWordEmbeddings: Bool

  package var headDim: Int { hiddenSize / numAttentionHeads }
  /// Width of all key heads, and of all value heads.
  package var keyValueSize: Int { numKeyValueHeads * headDim }

  init(_ reader: ConfigurationReader) throws(ConfigurationError) {
    hiddenSize = try reader.integer("hidden_size", in: 16...65_536)
    intermediateSize = try reader.integer("intermediate_size", in: 16...1_048_576)
    numHiddenLayers = try reader.integer("num_hidden_layers", in: 1...1024)
    numAttentionHeads = try reader.integer("num_attention_heads", in: 1...1024)
    numKeyValueHeads = try reader.integer(
      "num_key_value_heads", in: 1...1024, default: numAttentionHeads)
    vocabSize = try reader.integer("vocab_size", in: 1...4_194_304)
    maxPositionEmbeddings = try reader.integer(
      "max_position_embeddings", in: 1...4_194_304, default: 32_768)
    rmsNormEps = try reader.number("rms_norm_eps", in: 1e-12...1, default: 1e-6)
    ropeTheta = try reader.number("rope_theta", in: 1...1e12, default: 1e6)
    tieWordEmbeddings = try reader.bool("tie_word_embeddings", default: false)
    try reader.require(
      hiddenSize % numAttentionHeads == 0, "num_attention_heads",
      "\(numAttentionHeads) heads do not divide hidden_size \(hiddenSize)")
    try reader.require(
      numAttentionHeads % numKeyValueHeads == 0, "num_key_value_heads",
      "\(numKeyValueHeads) heads do not divide num_attention_heads \(numAttentionHeads)")
    let headDim = hiddenSize / numAttentionHeads
    try reader.require(
      headDim % 8 == 0 && headDim <= 256, "hidden_size",
      "a head of \(headDim) values is not supported (a multiple of 8, at most 256)")
    let scaling = try reader.nested("rope_scaling")
    mropeSection =
      try scaling?.integers("mrope_section", count: 3...3, in: 0...256, default: [16, 24, 24])
      ?? [16, 24, 24]
    let sections = mropeSection
    try reader.require(
      sections.reduce(0, +) == headDim / 2, "rope_scaling.mrope_section",
      "\(sections) does not add up to half a head (\(headDim / 2))")
    let activation = try reader.string("hidden_act", default: "silu")
    try reader.require(
      activation == "silu", "hidden_act", "\"\(activation)\" is not supported (silu is)")
  }

  var members: [(String, JSONValue)] {
    [
      ("hidden_size", .integer(hiddenSize)),
      ("intermediate_size", .integer(intermediateSize)),
      ("num_hidden_layers", .integer(numHiddenLayers)),
      ("num_attention_heads", .integer(numAttentionHeads)),
      ("num_key_value_heads", .integer(numKeyValueHeads)),
      ("vocab_size", .integer(vocabSize)),
      ("max_position_embeddings", .integer(maxPositionEmbeddings)),
      ("hidden_act", .string("silu")),
      ("rms_norm_eps", .number(rmsNormEps)),
      ("rope_theta", .number(ropeTheta)),
      (
        "rope_scaling",
        .object(
          JSONObject([
            ("type", .string("mrope")),
            ("mrope_section", .array(mropeSection.map { .integer($0) })),
          ]))
      ),
      ("tie_word_embeddings", .bool(tieWordEmbeddings)),
    ]
  }
}

/// Hyper-parameters of the vision tower.
package struct VisionConfiguration: Sendable, Equatable {
  package var depth: Int
  package var embedDim: Int
  package var numHeads: Int
  /// Hidden width of a block's feed-forward layer.
  package var intermediateSize: Int
  package var patchSize: Int
  package var spatialMergeSize: Int
  package var temporalPatchSize: Int

  package var headDim: Int { embedDim / numHeads }
  /// Values of a patch of one frame: 3 channels of `patchSize` x `patchSize`.
  package var patchValues: Int { 3 * patchSize * patchSize }
  /// Width of a merged group of patches.
  package var mergedSize: Int { embedDim * spatialMergeSize * spatialMergeSize }

  init(_ reader: ConfigurationReader) throws(ConfigurationError) {
    depth = try reader.integer("depth", in: 1...512)
    embedDim = try reader.integer("embed_dim", in: 16...65_536)
    numHeads = try reader.integer("num_heads", in: 1...1024)
    let ratio = try reader.number("mlp_ratio", in: 0.25...64, default: 4)
    intermediateSize = Int(Double(embedDim) * ratio)
    patchSize = try reader.integer("patch_size", in: 2...64, default: 14)
    spatialMergeSize = try reader.integer("spatial_merge_size", in: 2...2, default: 2)
    temporalPatchSize = try reader.integer("temporal_patch_size", in: 2...2, default: 2)
    let headDim = embedDim / numHeads
    try reader.require(
      embedDim % numHeads == 0 && headDim % 8 == 0 && headDim <= 256, "num_heads",
      "\(numHeads) heads do not cut embed_dim \(embedDim) into heads of a multiple of 8")
    let activation = try reader.string("hidden_act", default: "quick_gelu")
    try reader.require(
      activation == "quick_gelu", "hidden_act", "\"\(activation)\" is not supported (quick_gelu is)"
    )
  }

  var json: JSONValue {
    .object(
      JSONObject([
        ("depth", .integer(depth)),
        ("embed_dim", .integer(embedDim)),
        ("num_heads", .integer(numHeads)),
        ("mlp_ratio", .number(Double(intermediateSize) / Double(embedDim))),
        ("patch_size", .integer(patchSize)),
        ("spatial_merge_size", .integer(spatialMergeSize)),
        ("temporal_patch_size", .integer(temporalPatchSize)),
        ("hidden_act", .string("quick_gelu")),
      ]))
  }
}
