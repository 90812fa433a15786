import VARCheckpoint
import VARJSON
import VARModels
import VARTokenizer

/// The small files of a checkpoint, read and checked, whichever version of transformers saved them.
struct SourceDocuments {
  let configuration: VARGPTConfiguration
  let generation: GenerationDefaults
  let pictures: PictureSettings
  /// What the user should know about the files, a line each.
  let notes: [String]

  /// - Parameter checkpoint: with official names.
  /// - Throws: `CheckpointError`, `ConfigurationError`, `TokenizerError` or `ConversionError`.
  init(_ checkpoint: Checkpoint) throws {
    let dialect = try ConfigurationDialect(checkpoint.configuration())
    let configuration = try Self.configuration(checkpoint, dialect)
    self.configuration = configuration
    let document = try checkpoint.json(ofFile: "generation_config.json")
    generation = try GenerationDefaults(
      config: document,
      endOfSequence: dialect.endOfSequenceTokens.isEmpty
        ? [configuration.specialTokens.endOfSequence] : dialect.endOfSequenceTokens)
    pictures = try PictureSettings(checkpoint, vision: configuration.vision)
    notes =
      [
        SourceNotes.unknownKeys(dialect.unknownKeys, of: "config.json"),
        SourceNotes.unknownKeys(
          try document.map { try GenerationDefaults.unknownKeys(of: $0) } ?? [],
          of: "generation_config.json"),
      ].compactMap { $0 } + pictures.notes
  }

  /// The configuration, with what only the shapes of the tensors tell.
  static func configuration(
    _ checkpoint: Checkpoint, _ dialect: ConfigurationDialect
  ) throws -> VARGPTConfiguration {
    var shapes: [String: [Int]] = [:]
    for tensor in checkpoint.tensors {
      guard !tensor.shape.contains(0) || !SourceNames.isOfModel(tensor.name) else {
        throw ConversionError(
          .wrongShape, tensor.name, "has shape \(tensor.shape); no tensor of a model is empty")
      }
      shapes[tensor.name] = tensor.shape
    }
    var config = dialect.json
    if let tokens = ImageTokens(added: checkpoint, config: config) {
      config = tokens.added(to: config)
    }
    if let end = try endOfTurn(checkpoint, dialect), var object = config.objectValue {
      object["eos_token_id"] = .integer(end)
      config = .object(object)
    }
    let configuration = try VARGPTConfiguration(
      config: config, shapes: TensorShapes(tensors: shapes))
    // Shapes may give what no configuration can say; reading it as the runtime will finds that.
    guard try VARGPTConfiguration(config: configuration.json) == configuration else {
      throw ConversionError(
        .wrongShape, "vargpt_gen.block_chunks.0.module.0.ffn.fc1.weight",
        "its rows are not 256 * round(mlp_ratio * width / 256); no VARGPT-v1.1 model has that")
    }
    return configuration
  }

  /// Of several ids that end a text the one that ends a turn, which the tokenizer knows by its text.
  private static func endOfTurn(
    _ checkpoint: Checkpoint, _ dialect: ConfigurationDialect
  ) throws -> Int? {
    let ids = dialect.endOfSequenceTokens
    guard ids.count > 1 else { return nil }
    let source = try TokenizerSource(directory: checkpoint.directory)
    return source.addedTokenID(of: "<|im_end|>").flatMap { ids.contains($0) ? $0 : nil }
  }
}

/// Lines about a checkpoint.
enum SourceNotes {
  /// One line about all keys of a file that nothing knows; nil where there are none.
  static func unknownKeys(_ keys: [String], of file: String) -> String? {
    guard !keys.isEmpty else { return nil }
    return "\(file): not known and without effect: \(keys.joined(separator: ", "))"
  }

  /// One line about all tensors that are left out; nil where there are none.
  static func skipped(_ omissions: [ConversionPlan.Omission]) -> String? {
    guard !omissions.isEmpty else { return nil }
    let names = omissions.prefix(4).map(\.name).joined(separator: ", ")
    let more = omissions.count > 4 ? ", ..." : ""
    let count = omissions.count == 1 ? "1 tensor" : "\(omissions.count) tensors"
    return "skipped, since no part of the model needs it: \(count) (\(names)\(more))"
  }
}
