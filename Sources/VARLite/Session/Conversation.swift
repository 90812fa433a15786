import CVARKernels
import VARKernels
import VARModels
import VARTokenizer
import VARVision

/// One conversation with its memory: turns go in, text and pictures come out.
///
/// Not for use from several tasks at once; each request or chat has its own.
package final class Conversation {
  /// What a conversation can hold and how it runs.
  package struct Options {
    /// Text and picture tokens of all turns; nil sizes it for the first turn alone.
    package var contextTokens: Int?
    /// Size of pictures to draw; nil where none may be drawn.
    package var drawing: DrawingOptions?
    /// Tokens of text to write in a turn at most.
    package var maximumTextTokens: Int
    /// Bounds on the pixels of a picture that is looked at; nil takes the model's.
    package var minimumPixels, maximumPixels: Int?

    package init(
      contextTokens: Int? = nil, drawing: DrawingOptions? = nil, maximumTextTokens: Int = 512
    ) {
      self.contextTokens = contextTokens
      self.drawing = drawing
      self.maximumTextTokens = maximumTextTokens
    }
  }

  let model: VARGPT
  let options: Options
  package let run: RunContext
  package let weights: ModelWeights
  let recorder: TraceRecorder?
  private let computeArena: Arena
  private var sessionArena: Arena?
  package private(set) var session: LanguageSession?
  private var turnCount = 0

  package init(
    _ model: VARGPT, options: Options, recorder: TraceRecorder? = nil,
    isCancelled: @escaping () -> Bool = { false }
  ) throws {
    self.model = model
    self.options = options
    self.recorder = recorder
    guard let pool = ThreadPool(threadCount: model.options.threadCount) else {
      throw GenerationError(
        .outOfMemory, "the system refused \(model.options.threadCount) threads; use --threads")
    }
    var plan = MemoryPlan()
    let scratch = Compute.reserve(&plan, maximumColumns: model.largestQuantizedInput)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    computeArena = arena
    let compute = Compute(
      instructionSet: model.options.instructionSet, pool: pool, arena: arena, scratch: scratch)
    run = RunContext(compute: compute, trace: recorder, isCancelled: isCancelled)
    weights = try ModelWeights(source: model.source, tensors: model.tensors)
  }

  /// Appends a user turn and the start of the answer.
  package func append(
    _ prompt: Prompt, forcesDrawing: Bool = false, events: (GenerationEvent) -> Void
  ) throws {
    let builder = PromptBuilder(model: model)
    let preprocessing = model.preprocessing(
      minimumPixels: options.minimumPixels, maximumPixels: options.maximumPixels)
    let encoder = PictureEncoder(model: model, weights: weights, preprocessing: preprocessing)
    // The text is checked before the pictures are: looking at a picture takes long.
    let ids = try builder.ids(prompt, isFirstTurn: turnCount == 0, forcesDrawing: forcesDrawing)
    if !prompt.images.isEmpty, !weights.has(.vision) {
      throw GenerationError(
        .unusableModel, "\(model.path): holds no vision tower; it cannot look at pictures")
    }
    let pictures = try encoder.encode(prompt.images, run, events: events)
    let expanded = builder.expand(ids, pictures: pictures.map(\.grid.tokenCount))
    let session = try self.session ?? makeSession(promptTokens: expanded.count)
    self.session = session
    turnCount += 1
    events(.reading(tokenCount: expanded.count))
    try session.append(expanded, pictures: pictures, run)
    tracePrompt(session, forcesDrawing: forcesDrawing)
  }

  /// Ends the answer in the form that the next turn continues.
  ///
  /// - Parameter pending: the last picked token, where it is not in the cache.
  func endAnswer(pending: Int32?) throws {
    guard let session else { return }
    let builder = PromptBuilder(model: model)
    let drew =
      session.ids.last.map(Int.init) == model.configuration.specialTokens.imageGenStart
    try session.append(builder.endOfAnswer(pending: pending, drew: drew), pictures: [], run)
  }

  private func makeSession(promptTokens: Int) throws -> LanguageSession {
    let configuration = model.configuration
    let drawing = try options.drawing.map { try $0.drawing(model, weights: weights) }
    // One more than the text: the token that starts a picture.
    let context = options.contextTokens ?? promptTokens + options.maximumTextTokens + 1
    let limit = configuration.languageModel.maxPositionEmbeddings
    guard promptTokens < limit else {
      throw GenerationError(
        .contextFull, "the prompt has \(promptTokens) tokens, the model reads \(limit) at most")
    }
    let capacity = LanguageSession.Capacity(
      context: min(max(context, promptTokens + 1), limit),
      drawing: drawing?.schedule.tokenCount ?? 0,
      rows: max(min(promptTokens, 4096), drawing?.largestRows ?? 1, 1))
    var plan = MemoryPlan()
    let layout = LanguageSession.reserve(
      &plan, configuration.languageModel, capacity: capacity, kvType: model.options.kvType)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    sessionArena = arena
    return LanguageSession(
      layout, arena: arena, model: Qwen2Model(configuration.languageModel, weights: weights),
      configuration: configuration)
  }

  /// A token that forces a drawing counts as the model's own, not as the prompt's.
  private func tracePrompt(_ session: LanguageSession, forcesDrawing: Bool) {
    guard let recorder else { return }
    let count = session.ids.count
    let ids = session.ids.map(Int.init)
    let prompt = forcesDrawing ? ids.dropLast() : ids[...]
    recorder.record("input_ids", shape: [1, prompt.count], integers: Array(prompt))
    recorder.record("sequence", shape: [1, count], integers: ids)
    let positions = session.positions.positions
    recorder.record(
      "position_ids", shape: [3, 1, count],
      integers: positions.map(\.temporal) + positions.map(\.height) + positions.map(\.width))
    recorder.record("rope_delta", shape: [1, 1], integers: [session.positions.ropeDelta])
  }
}

extension VARGPT {
  /// The widest input of a quantized matrix.
  var largestQuantizedInput: Int {
    file.tensors.reduce(16) { largest, tensor in
      tensor.description.elementType.isQuantized && tensor.description.layout == .tiles
        ? max(largest, tensor.description.cols) : largest
    }
  }

  func preprocessing(minimumPixels: Int?, maximumPixels: Int?) -> ImagePreprocessing {
    var preprocessing = imagePreprocessing.limited(
      maximumTokens: ImagePreprocessing.defaultMaximumTokens)
    if let maximumPixels { preprocessing.maxPixels = maximumPixels }
    preprocessing.minPixels = min(minimumPixels ?? preprocessing.minPixels, preprocessing.maxPixels)
    return preprocessing
  }
}
