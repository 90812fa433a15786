/// Tensors that are needed together and lie together in the file.
package enum TensorGroup: Hashable, Sendable {
  case visionEmbedding
  case visionBlock(Int)
  case visionMerger
  case languageEmbedding
  case languageLayer(Int)
  case languageNorm
  case languageHead
  /// From the generator to the language model.
  case projectorIn
  /// From the language model to the generator.
  case projectorOut
  case generatorEmbedding
  case generatorBlock(Int)
  case generatorHead
  case decoderInput
  /// A level of the picture tokenizer; its number is how often the sides of its map are halved.
  case decoderLevel(Int)
  case decoderOutput
  case encoderInput
  case encoderLevel(Int)
  case encoderOutput

  /// The name in the file.
  package var name: String {
    switch self {
    case .visionEmbedding: "vision.embed"
    case .visionBlock(let index): "vision.blocks.\(index)"
    case .visionMerger: "vision.merger"
    case .languageEmbedding: "llm.embed"
    case .languageLayer(let index): "llm.layers.\(index)"
    case .languageNorm: "llm.norm"
    case .languageHead: "llm.head"
    case .projectorIn: "projector.in"
    case .projectorOut: "projector.out"
    case .generatorEmbedding: "generator.embed"
    case .generatorBlock(let index): "generator.blocks.\(index)"
    case .generatorHead: "generator.head"
    case .decoderInput: "vae.decoder.input"
    case .decoderLevel(let level): "vae.decoder.up.\(level)"
    case .decoderOutput: "vae.decoder.output"
    case .encoderInput: "vae.encoder.input"
    case .encoderLevel(let level): "vae.encoder.down.\(level)"
    case .encoderOutput: "vae.encoder.output"
    }
  }
}
