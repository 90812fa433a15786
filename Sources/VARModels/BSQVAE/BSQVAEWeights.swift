/// The tensors of the picture tokenizer's decoder and encoder (MODEL 2.4).
package enum BSQVAEWeights {
  package static func decoderTensors(_ vae: BSQVAEConfiguration) -> [TensorSpecification] {
    var table = TensorTable(.vaeDecoder, .decoderInput)
    let root = "vae_local.decoder"
    let last = vae.levelCount - 1
    let deepest = vae.channels(level: last)
    table.convolution(root + ".conv_in", deepest, vae.codebookDim, kernelSize: 3)
    table.residualBlock(root + ".mid.block_1", deepest, deepest)
    table.residualBlock(root + ".mid.block_2", deepest, deepest)
    var channels = deepest
    for level in (0...last).reversed() {
      table.group = .decoderLevel(level)
      table.layer = last - level
      let out = vae.channels(level: level)
      for block in 0...vae.numResBlocks {
        table.residualBlock("\(root).up.\(level).block.\(block)", out, channels)
        channels = out
      }
      if level > 0 {
        table.convolution("\(root).up.\(level).upsample.conv", out, out, kernelSize: 3)
      }
    }
    table.group = .decoderOutput
    table.layer = nil
    table.norm(root + ".norm_out.norm", channels)
    table.convolution(root + ".conv_out", 3, channels, kernelSize: 3)
    return table.tensors
  }

  package static func encoderTensors(_ vae: BSQVAEConfiguration) -> [TensorSpecification] {
    var table = TensorTable(.vaeEncoder, .encoderInput)
    let root = "vae_local.encoder"
    let last = vae.levelCount - 1
    table.convolution(root + ".conv_in", vae.baseChannels, 3, kernelSize: 3)
    var channels = vae.baseChannels
    for level in 0...last {
      table.group = .encoderLevel(level)
      table.layer = level
      let out = vae.channels(level: level)
      for block in 0..<vae.numResBlocks {
        table.residualBlock("\(root).down.\(level).block.\(block)", out, channels)
        channels = out
      }
      if level < last {
        table.convolution("\(root).down.\(level).downsample.conv", out, out, kernelSize: 3)
      }
    }
    table.group = .encoderOutput
    table.layer = nil
    table.residualBlock(root + ".mid.block_1", channels, channels)
    table.residualBlock(root + ".mid.block_2", channels, channels)
    table.norm(root + ".norm_out.norm", channels)
    table.convolution(root + ".conv_out", vae.codebookDim, channels, kernelSize: 3)
    return table.tensors
  }
}

extension TensorTable {
  fileprivate mutating func residualBlock(_ name: String, _ out: Int, _ input: Int) {
    norm(name + ".norm1.norm", input)
    convolution(name + ".conv1", out, input, kernelSize: 3)
    norm(name + ".norm2.norm", out)
    convolution(name + ".conv2", out, out, kernelSize: 3)
    if out != input { convolution(name + ".nin_shortcut", out, input, kernelSize: 1) }
  }
}
