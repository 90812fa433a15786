/// Hyper-parameters that the official `config.json` lacks and that tensor shapes of a checkpoint reveal
/// (MODEL 3).
package struct TensorShapes: Sendable {
  struct Generator: Sendable {
    var depth, embedDim, numHeads, intermediateSize, textMaxLength, codebookDim, numLevels: Int
  }
  struct VAE: Sendable {
    var baseChannels: Int
    var channelMultipliers: [Int]
    var numResBlocks: Int
  }
  let generator: Generator?
  let vae: VAE?

  /// No tensors to look at: everything stands in the configuration.
  package static let none = TensorShapes(tensors: [:])

  /// - Parameter tensors: name and shape of every tensor of a checkpoint, as the official layout names them.
  package init(tensors: [String: [Int]]) {
    generator = Self.inferGenerator(tensors)
    vae = Self.inferVAE(tensors)
  }

  private static func inferGenerator(_ tensors: [String: [Int]]) -> Generator? {
    let first = "vargpt_gen.block_chunks.0.module.0"
    guard let word = tensors["vargpt_gen.word_embed.weight"], word.count == 2,
      let heads = tensors[first + ".sa.scale_mul_1H11"], heads.count == 4,
      let hidden = tensors[first + ".ffn.fc1.weight"], hidden.count == 2,
      let text = tensors["vargpt_gen.cfg_uncond"], text.count == 2,
      let levels = tensors["vargpt_gen.lvl_embed.weight"], levels.count == 2
    else { return nil }
    let depth = tensors.keys.count {
      $0.hasPrefix("vargpt_gen.block_chunks.") && $0.hasSuffix(".ada_gss")
    }
    return Generator(
      depth: depth, embedDim: word[0], numHeads: heads[1], intermediateSize: hidden[0],
      textMaxLength: text[0], codebookDim: word[1], numLevels: levels[0])
  }

  private static func inferVAE(_ tensors: [String: [Int]]) -> VAE? {
    func channels(_ level: Int) -> Int? {
      tensors["vae_local.encoder.down.\(level).block.0.conv1.conv.weight"]?.first
    }
    guard let base = tensors["vae_local.encoder.conv_in.conv.weight"]?.first, base > 0 else {
      return nil
    }
    var multipliers: [Int] = []
    while let level = channels(multipliers.count), level % base == 0 {
      multipliers.append(level / base)
    }
    var blocks = 0
    while tensors["vae_local.encoder.down.0.block.\(blocks).conv1.conv.weight"] != nil {
      blocks += 1
    }
    guard multipliers.count == 5, blocks > 0 else { return nil }
    return VAE(baseChannels: base, channelMultipliers: multipliers, numResBlocks: blocks)
  }
}
