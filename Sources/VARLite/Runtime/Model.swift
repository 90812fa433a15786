import VARKernels
import VARModels
import VARSystem
import VARTokenizer
import VARVision
import VQ4Format

/// A VARGPT-v1.1 model in a `.vq4` file: answers questions about pictures, draws, and edits.
///
/// The weights never change, so one value serves any number of requests at once, but with ``Residency/stream`` one
/// after the other; whatever changes belongs to a request. Results depend on the file, the request and its seed alone,
/// not on threads, instruction set, layout or residency.
public final class Model: Sendable {
  /// Raised with every change after which the same file says other bits, or keeps keys and values in another order.
  package static let numericsVersion = 1

  /// How requests of the model run, where they do not say it themselves.
  public struct Options: Sendable, Equatable {
    /// Type of cached keys and values, which changes results a little; nil takes the file's: int8 where the language
    /// model's weights are int4 or int8, else f32.
    public var kvType: KVType?
    /// Where weights are while a request runs; changes no result.
    public var residency: Residency
    /// What is kept of prompts for later requests; changes no result.
    public var promptCache: PromptCache
    /// Whether the first layers of a file that requests will map are read from the disk when the model is opened, while
    /// nothing else goes on: at most 1 GiB, and an eighth of the memory that there is. Changes no result.
    public var readsAhead = true

    /// By default the file decides on the type of keys and values, and each request on the residency.
    public init(
      kvType: KVType? = nil, residency: Residency = .automatic,
      promptCache: PromptCache = PromptCache()
    ) {
      self.kvType = kvType
      self.residency = residency
      self.promptCache = promptCache
    }
  }

  /// Threads and memory.
  public let runtime: Runtime
  /// The file as the caller named it.
  public let path: String
  /// How requests run, where they do not say it themselves.
  public let options: Options
  /// Type of cached keys and values that requests run with.
  public let kvType: KVType
  /// Sizes of the networks, token ids, scales and sampling defaults.
  package let configuration: VARGPTConfiguration
  /// What the model's files say about the end of a text and its sampling.
  package let generationDefaults: GenerationDefaults
  /// Text to ids and back.
  package let tokenizer: Tokenizer
  /// How a picture becomes the vision tower's input.
  package let imagePreprocessing: ImagePreprocessing
  /// Colours of codes, by which a drawing is watched without the picture decoder; nil where the file has none.
  package let previewMap: PreviewMap?
  /// Whether previews are made in no time, by what the file says of them; else by the picture decoder.
  public var hasQuickPreviews: Bool { previewMap != nil }
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
  /// What later requests need not compute again.
  let prefixes = PrefixStore()
  /// What limits on this process let it take besides what it had when the model was open; nil: there are none.
  let openedRoomBytes: Int?

  /// - Parameter source: where all weights come from; nil: sources of the file.
  /// - Throws: the errors of the container, the configuration and the tokenizer.
  package init(
    _ file: VQ4File, source: (any WeightSource & Sendable)?, _ options: Options, _ runtime: Runtime
  ) throws {
    let before = runtime.memory.processMemory()
    self.runtime = runtime
    path = file.path
    self.file = file
    self.options = options
    configuration = try Self.inFile(file) {
      try VARGPTConfiguration(config: file.jsonAttachment("configuration"))
    }
    tensors = configuration.tensors
    sources = WeightSources(
      file, tensors: tensors, threadCount: runtime.options.threadCount, fixed: source)
    let endOfSequence = [configuration.specialTokens.endOfSequence]
    generationDefaults = try Self.inFile(file) {
      try GenerationDefaults(
        config: file.jsonAttachment("generation_configuration"), endOfSequence: endOfSequence)
    }
    imagePreprocessing = try Self.inFile(file) {
      try ImagePreprocessing(json: file.jsonAttachment("image_preprocessing"))
    }
    previewMap = try Self.previewMap(file, codebookDim: configuration.vae.codebookDim)
    guard let tables = try file.attachmentInPlace("tokenizer") else {
      throw VARLiteError(
        .model, "\(file.path): holds no tokenizer; convert the model again")
    }
    tokenizer = try Self.tokenizer(copying: tables)
    guard tokenizer.vocabularySize <= configuration.languageModel.vocabSize else {
      throw VARLiteError(
        .model,
        "\(file.path): the tokenizer has \(tokenizer.vocabularySize) entries, the embedding "
          + "\(configuration.languageModel.vocabSize) rows; convert the model again")
    }
    let vision = configuration.vision
    guard imagePreprocessing.patchSize == vision.patchSize,
      imagePreprocessing.mergeSize == vision.spatialMergeSize
    else {
      throw VARLiteError(
        .model,
        "\(file.path): pictures are cut into patches of \(imagePreprocessing.patchSize) px, "
          + "merged by \(imagePreprocessing.mergeSize); the vision tower takes "
          + "\(vision.patchSize) px and \(vision.spatialMergeSize)")
    }
    let weights = try ModelWeights(source: sources.source(.map), tensors: tensors)
    kvType = options.kvType ?? KVType(defaultFor: weights)
    openedRoomBytes = ProcessMemory.room()
    components = Set(TensorSpecification.Component.allCases.filter(weights.has))
    runtime.memory.opened(self, before: before)
  }

  /// Reads a part of the file; errors that do not say so tell which file it is, and what to do.
  private static func inFile<Value>(_ file: VQ4File, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as VQ4Error {
      throw error
    } catch {
      throw VARLiteError(.model, "\(file.path): \(error); convert the model again")
    }
  }

  private static func previewMap(_ file: VQ4File, codebookDim: Int) throws -> PreviewMap? {
    guard let bytes = try file.attachment(PreviewMap.attachmentName) else { return nil }
    return try inFile(file) {
      let map = try PreviewMap(bytes: bytes)
      guard map.codebookDim == codebookDim else {
        throw VARLiteError(
          .model,
          "\(PreviewMap.attachmentName) is for \(map.codebookDim) bits per token, the model has "
            + "\(codebookDim)")
      }
      return map
    }
  }

  /// The tensors by name, for whoever plans without reading any.
  func namedWeights() throws(VARLiteError) -> ModelWeights {
    try VARLiteError.wrapping {
      try ModelWeights(source: sources.source(.map), tensors: tensors)
    }
  }

  /// The numbers of the tables are places in them: they are checked and used in memory of their own, which nobody who
  /// writes to the file can change.
  private static func tokenizer(copying tables: UnsafeRawBufferPointer) throws -> Tokenizer {
    guard let memory = AnonymousMemory(byteCount: tables.count) else {
      throw VARLiteError.noMemory(tables.count)
    }
    memory.base.copyMemory(from: tables.baseAddress!, byteCount: tables.count)
    return try Tokenizer(
      tables: UnsafeRawBufferPointer(start: memory.base, count: tables.count), owner: memory)
  }

  /// Memory that stays between requests: weights of its own, and what is kept of prompts.
  var retainedBytes: Int { sources.retainedBytes + prefixes.byteCount }

  /// Gives back what no request needs now.
  package func releaseUnused() {
    sources.releaseUnused()
    prefixes.shrink(to: 0)
  }

  /// Throws `model` where the open file was overwritten or cut since it was opened: what was checked then is not what
  /// stands there now.
  func requireUnchanged() throws(VARLiteError) {
    try VARLiteError.wrapping { try file.requireUnchanged() }
  }

  /// Throws `model` unless the file holds the parts that a request needs.
  package func require(
    _ parts: TensorSpecification.Component..., to purpose: String
  ) throws(VARLiteError) {
    guard let missing = parts.first(where: { !components.contains($0) }) else { return }
    throw VARLiteError(
      .model, "\(path): holds no \(missing.rawValue); it cannot \(purpose)")
  }

  /// Whether the file holds all that drawing takes.
  public var canDraw: Bool {
    components.isSuperset(of: [.llmEmbedding, .llm, .generator, .projector, .vaeDecoder])
  }
}
