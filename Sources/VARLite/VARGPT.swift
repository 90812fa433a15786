import Synchronization
import VARKernels
import VARModels
import VARSystem
import VARTokenizer
import VARVision
import VQ4Format

/// A VARGPT-v1.1 model in a `.vq4` file: answers questions about pictures, draws, and edits.
///
/// The weights never change, so one value serves any number of requests at once, but with
/// `Residency.stream` one after the other; whatever changes belongs to a request. Results depend on
/// the file, the request and its seed alone, not on threads, instruction set, layout or residency.
public final class VARGPT: Sendable {
  /// How requests run.
  public struct Options: Sendable, Equatable {
    /// Threads per request, 1...256; default: one for each fast core that this process may use.
    public var threadCount: Int
    /// Kernels to use; results are the same with all.
    public var instructionSet: InstructionSet
    /// Type of cached keys and values, which changes results a little; nil takes the file's: int8 where the language
    /// model's weights are int4 or int8, else f32.
    public var kvType: KVType?
    /// Where weights are while a request runs; changes no result.
    public var residency: Residency
    /// Memory that this process may take for a request, in bytes, what it had when the model was opened included; nil:
    /// what the system has, but for some room. A request that does not fit is refused before anything of it runs.
    public var memoryBudgetBytes: Int?

    public init(
      threadCount: Int = ThreadPool.defaultThreadCount,
      instructionSet: InstructionSet = .best, kvType: KVType? = nil,
      residency: Residency = .automatic, memoryBudgetBytes: Int? = nil
    ) {
      self.threadCount = threadCount
      self.instructionSet = instructionSet
      self.kvType = kvType
      self.residency = residency
      self.memoryBudgetBytes = memoryBudgetBytes
    }
  }

  /// The file as the caller named it.
  public let path: String
  /// How requests run.
  public let options: Options
  /// Type of cached keys and values that requests run with.
  public let kvType: KVType
  /// Sizes of the networks, token ids, scales and sampling defaults.
  public let configuration: VARGPTConfiguration
  /// What the model's files say about the end of a text and its sampling.
  public let generationDefaults: GenerationDefaults
  /// Text to ids and back, in place in the file.
  public let tokenizer: Tokenizer
  /// How a picture becomes the vision tower's input.
  public let imagePreprocessing: ImagePreprocessing
  /// Hash of all weights and metadata; the same for every layout of the same model.
  public var contentHash: String { file.contentHash }

  /// Size of the file in bytes.
  public var fileByteCount: Int { file.byteCount }

  package let file: VQ4File
  package let tensors: [TensorSpecification]
  /// The parts that the file holds; a recipe may leave some out.
  let components: Set<TensorSpecification.Component>
  /// Where weights come from.
  package let sources: WeightSources
  /// What the process had in memory when the model was open.
  let openedMemory: ProcessMemory
  /// What limits on this process let it take besides; nil: there are none.
  let openedRoomBytes: Int?
  private let requestCount = Atomic<Int>(0)

  /// A number that no other request of this model has.
  var nextRequestID: Int { requestCount.add(1, ordering: .relaxed).newValue }

  /// Opens a model. Reads its directory and metadata, not the weights.
  ///
  /// - Throws: `GenerationError` with `invalidRequest` for options that this machine cannot serve and with
  ///   `unusableModel`, or the error of the container, the configuration or the tokenizer.
  public convenience init(path: String, options: Options = Options()) throws {
    try self.init(file: try VQ4File(path: path), source: nil, options: options)
  }

  /// - Parameter source: where all weights come from; nil: sources of the file.
  package init(
    file: VQ4File, source: (any WeightSource & Sendable)?, options: Options
  ) throws {
    try options.check()
    path = file.path
    self.file = file
    self.options = options
    configuration = try VARGPTConfiguration(config: file.jsonAttachment("configuration"))
    tensors = configuration.tensors
    sources = WeightSources(
      file, tensors: tensors, threadCount: options.threadCount, fixed: source)
    generationDefaults = try GenerationDefaults(
      config: file.jsonAttachment("generation_configuration"),
      endOfSequence: [configuration.specialTokens.endOfSequence])
    imagePreprocessing = try ImagePreprocessing(json: file.jsonAttachment("image_preprocessing"))
    guard let tables = try file.attachmentInPlace("tokenizer") else {
      throw GenerationError(
        .unusableModel, "\(file.path): holds no tokenizer; convert the model again")
    }
    tokenizer = try Self.tokenizer(
      tables, file, isCopied: [.load, .stream].contains(options.residency.fixed))
    guard tokenizer.vocabularySize <= configuration.languageModel.vocabSize else {
      throw GenerationError(
        .unusableModel,
        "\(file.path): the tokenizer has \(tokenizer.vocabularySize) entries, the embedding "
          + "\(configuration.languageModel.vocabSize) rows; convert the model again")
    }
    let vision = configuration.vision
    guard imagePreprocessing.patchSize == vision.patchSize,
      imagePreprocessing.mergeSize == vision.spatialMergeSize
    else {
      throw GenerationError(
        .unusableModel,
        "\(file.path): pictures are cut into patches of \(imagePreprocessing.patchSize) px, merged by "
          + "\(imagePreprocessing.mergeSize); the vision tower takes \(vision.patchSize) px and "
          + "\(vision.spatialMergeSize)")
    }
    let weights = try ModelWeights(source: sources.source(.map), tensors: tensors)
    kvType = options.kvType ?? KVType(defaultFor: weights)
    openedMemory = ProcessMemory.current() ?? ProcessMemory.unknown
    openedRoomBytes = ProcessMemory.room()
    components = Set(TensorSpecification.Component.allCases.filter(weights.has))
  }

  /// The tensors by name, for whoever plans without reading any.
  func namedWeights() throws -> ModelWeights {
    try ModelWeights(source: sources.source(.map), tensors: tensors)
  }

  /// - Parameter isCopied: whether the tables are used in memory of their own: then a file that is cut later on does no
  ///   harm.
  private static func tokenizer(
    _ tables: UnsafeRawBufferPointer, _ file: VQ4File, isCopied: Bool
  ) throws -> Tokenizer {
    guard isCopied else { return try Tokenizer(tables: tables, owner: file) }
    guard let memory = AnonymousMemory(byteCount: tables.count) else {
      throw GenerationError.noMemory(tables.count)
    }
    memory.base.copyMemory(from: tables.baseAddress!, byteCount: tables.count)
    return try Tokenizer(
      tables: UnsafeRawBufferPointer(start: memory.base, count: tables.count), owner: memory)
  }

  /// Throws `unusableModel` unless the file holds the parts that a request needs.
  func require(
    _ parts: TensorSpecification.Component..., to purpose: String
  ) throws(GenerationError) {
    guard let missing = parts.first(where: { !components.contains($0) }) else { return }
    throw GenerationError(
      .unusableModel, "\(path): holds no \(missing.rawValue); it cannot \(purpose)")
  }

  /// Whether the file holds all that drawing takes.
  public var canDraw: Bool {
    components.isSuperset(of: [.llmEmbedding, .llm, .generator, .projector, .vaeDecoder])
  }
}

extension VARGPT.Options {
  fileprivate func check() throws(GenerationError) {
    guard (1...256).contains(threadCount) else {
      throw GenerationError(.invalidRequest, "\(threadCount) threads; there may be 1 to 256")
    }
    guard instructionSet.isSupported else {
      throw GenerationError(
        .invalidRequest, "this machine does not run the instruction set \(instructionSet)")
    }
  }
}
