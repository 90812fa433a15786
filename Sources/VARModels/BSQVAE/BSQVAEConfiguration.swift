import VARJSON

/// Hyper-parameters of the picture tokenizer (MODEL 2.4).
package struct BSQVAEConfiguration: Sendable, Equatable {
  package var baseChannels: Int
  /// Channel multiplier of each level, finest first; each level but the last halves the picture.
  package var channelMultipliers: [Int]
  /// Residual blocks per encoder level; the decoder has one more.
  package var numResBlocks: Int
  package var codebookDim: Int
  package var groupNormGroups: Int
  package var groupNormEps: Double

  package var levelCount: Int { channelMultipliers.count }
  /// Pixels per token along each side.
  package var stride: Int { 1 << (levelCount - 1) }

  package func channels(level: Int) -> Int { baseChannels * channelMultipliers[level] }

  /// Groups that the group norm of `channels` uses: 32, or 24 where 32 does not divide.
  package func groups(channels: Int) -> Int {
    channels % groupNormGroups == 0 ? groupNormGroups : 24
  }

  init(
    _ reader: ConfigurationReader?, codebookDim: Int, shapes: TensorShapes
  ) throws(ConfigurationError) {
    let vae = try reader?.nested("vae")
    let fromShapes = shapes.vae
    baseChannels =
      try vae?.integer("base_ch", in: 8...4096, default: fromShapes?.baseChannels ?? 128)
      ?? fromShapes?.baseChannels ?? 128
    let multipliers = fromShapes?.channelMultipliers ?? [1, 2, 4, 4, 4]
    channelMultipliers =
      try vae?.integers("ch_mult", count: 5...5, in: 1...64, default: multipliers) ?? multipliers
    numResBlocks =
      try vae?.integer("num_res_blocks", in: 1...16, default: fromShapes?.numResBlocks ?? 2)
      ?? fromShapes?.numResBlocks ?? 2
    self.codebookDim = codebookDim
    groupNormGroups =
      try vae?.integer("group_norm_groups", in: 1...256, default: 32) ?? 32
    groupNormEps = try vae?.number("group_norm_eps", in: 1e-12...1, default: 1e-6) ?? 1e-6
    for level in channelMultipliers.indices {
      let channels = self.channels(level: level)
      guard channels > 0, numResBlocks > 0 else {
        throw ConfigurationError(
          code: .inconsistent, key: "vargpt_gen.vae", detail: "a level without channels or blocks")
      }
      guard channels % groups(channels: channels) == 0 else {
        throw ConfigurationError(
          code: .inconsistent, key: "vargpt_gen.vae",
          detail: "\(channels) channels divide neither by \(groupNormGroups) nor by 24 groups")
      }
    }
  }

  var json: JSONValue {
    .object(
      JSONObject([
        ("base_ch", .integer(baseChannels)),
        ("ch_mult", .array(channelMultipliers.map { .integer($0) })),
        ("num_res_blocks", .integer(numResBlocks)),
        ("codebook_dim", .integer(codebookDim)),
        ("group_norm_groups", .integer(groupNormGroups)),
        ("group_norm_eps", .number(groupNormEps)),
      ]))
  }
}

extension BSQVAEConfiguration {
  /// How often the sides of a picture are halved on the map that a group of tensors works on.
  package func halvings(of group: TensorGroup) -> Int {
    switch group {
    case .decoderLevel(let level), .encoderLevel(let level): level
    case .decoderInput, .encoderOutput: stride.trailingZeroBitCount
    default: 0
    }
  }
}
