import VARKernels
import VARModels
import VARTokenizer
import VARVision
import VQ4Format

/// A VARGPT-v1.1 model in a `.vq4` file: answers questions about pictures, draws, and edits.
///
/// The weights are mapped and never change, so one value serves any number of requests at once;
/// whatever changes belongs to a request. Results depend on the file, the request and its seed
/// alone, not on threads, instruction set or layout.
public final class VARGPT: Sendable {
  /// How requests run.
  public struct Options: Sendable, Equatable {
    /// Threads per request, 1...256.
    public var threadCount: Int
    public var instructionSet: InstructionSet
    /// Type of cached keys and values. Changes results a little: f16 halves the caches.
    public var kvType: KVType

    public init(
      threadCount: Int = min(ThreadPool.availableProcessors, 256),
      instructionSet: InstructionSet = .best, kvType: KVType = .f32
    ) {
      self.threadCount = threadCount
      self.instructionSet = instructionSet
      self.kvType = kvType
    }
  }

  public let path: String
  public let options: Options
  public let configuration: VARGPTConfiguration
  /// What the model's files say about the end of a text and its sampling.
  public let generationDefaults: GenerationDefaults
  public let tokenizer: Tokenizer
  public let imagePreprocessing: ImagePreprocessing
  /// Hash of all weights and metadata; the same for every layout of the same model.
  public var contentHash: String { file.contentHash }

  package let file: VQ4File
  package let tensors: [TensorSpecification]
  let source: any WeightSource & Sendable

  /// Opens a model. Reads its directory and metadata, not the weights.
  ///
  /// - Throws: `GenerationError` with `unusableModel`, or the container's own error.
  public convenience init(path: String, options: Options = Options()) throws {
    let file = try VQ4File(path: path)
    try self.init(file: file, source: MappedWeightSource(file: file), options: options)
  }

  package init(
    file: VQ4File, source: any WeightSource & Sendable, options: Options
  ) throws {
    path = file.path
    self.file = file
    self.source = source
    self.options = options
    configuration = try VARGPTConfiguration(config: file.jsonAttachment("configuration"))
    generationDefaults = try GenerationDefaults(
      config: file.jsonAttachment("generation_configuration"),
      endOfSequence: configuration.specialTokens.endOfSequence)
    imagePreprocessing = try ImagePreprocessing(json: file.jsonAttachment("image_preprocessing"))
    guard let tables = try file.attachmentInPlace("tokenizer") else {
      throw GenerationError(
        .unusableModel, "\(file.path): holds no tokenizer; convert the model again")
    }
    tokenizer = try Tokenizer(tables: tables, owner: file)
    guard tokenizer.vocabularySize <= configuration.languageModel.vocabSize else {
      throw GenerationError(
        .unusableModel,
        "\(file.path): the tokenizer has \(tokenizer.vocabularySize) entries, the embedding "
          + "\(configuration.languageModel.vocabSize) rows; convert the model again")
    }
    tensors = configuration.tensors
    _ = try ModelWeights(source: source, tensors: tensors)
  }
}
