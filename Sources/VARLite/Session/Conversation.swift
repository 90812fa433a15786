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
    /// Text and picture tokens of all turns; nil sizes it for one turn alone.
    package var contextTokens: Int?
    /// Size of pictures to draw; nil where none may be drawn.
    package var drawing: DrawingOptions?
    /// Tokens of text to write in a turn at most.
    package var maximumTextTokens: Int
    /// Bounds on the pixels of a picture that is looked at; nil takes the model's.
    package var minimumPixels, maximumPixels: Int?
    /// Rows of a prompt that go through the layers at once; nil picks. Changes no result.
    package var rowsPerPass: Int?

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
  private let requestID: Int
  private let computeArena: Arena
  private var sessionArena: Arena?
  package private(set) var session: LanguageSession?
  private var turnCount = 0

  /// Rows of a prompt that go through the layers at once at most; a longer one takes several passes.
  private static let largestRows = 4096
  /// The same for the turns of a conversation whose later turns are not known when the memory is planned.
  private static let largestTurnRows = 1024

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
    requestID = model.nextRequestID
  }

  deinit { endReading() }

  /// Says that what follows reads the weights of a phase.
  ///
  /// - Parameter arenaBytes: memory that the phase takes besides the conversation's.
  func begin(
    _ phase: WeightPhase, arenaBytes: Int = 0, events: (GenerationEvent) -> Void
  ) throws {
    let taken = computeArena.plan.byteCount + (sessionArena?.plan.byteCount ?? 0) + arenaBytes
    let request = WeightRequest(
      id: requestID, budgetBytes: model.options.memoryBudgetBytes.map { max(0, $0 - taken) },
      isCancelled: run.isCancelled)
    try weights.begin(phase, for: request) { done, total in
      events(.loading(doneBytes: done, totalBytes: total))
    }
  }

  /// Says that weights are not read until a new phase begins: other requests may take them over.
  func endReading() { weights.end(WeightRequest(id: requestID)) }

  /// Appends a user turn and the start of the answer. Where that fails, the conversation stays as it was.
  package func append(
    _ prompt: Prompt, forcesDrawing: Bool = false, events: (GenerationEvent) -> Void
  ) throws {
    let builder = PromptBuilder(model: model)
    let preprocessing = try model.preprocessing(
      minimumPixels: options.minimumPixels, maximumPixels: options.maximumPixels)
    let encoder = PictureEncoder(model: model, weights: weights, preprocessing: preprocessing)
    // Everything is checked before the tower looks at a picture, which takes long.
    let ids = try builder.ids(prompt, isFirstTurn: turnCount == 0, forcesDrawing: forcesDrawing)
    let patches = try encoder.patches(prompt.images)
    let expanded = builder.expand(ids, pictures: patches.map(\.tokenCount))
    let session =
      try self.session
      ?? makeSession(promptTokens: expanded.count, closing: builder.largestEndOfAnswer, events)
    try session.requireRoom(for: expanded.count + session.capacity.closing)
    let pictures = try encoder.encode(patches, run, events: events) { phase, arenaBytes in
      try begin(phase, arenaBytes: arenaBytes, events: events)
    }
    try begin(.conversation(writesText: !forcesDrawing), events: events)
    events(.reading(tokenCount: expanded.count))
    try session.append(expanded, pictures: pictures, run)
    self.session = session
    turnCount += 1
    tracePrompt(session, forcesDrawing: forcesDrawing)
  }

  /// Where a conversation stands between two turns, to come back to.
  struct Mark {
    fileprivate let turnCount: Int
    fileprivate let session: LanguageSession.Mark
  }

  var mark: Mark { Mark(turnCount: turnCount, session: session?.mark ?? LanguageSession.Mark()) }

  /// Forgets the turns after a mark.
  func rewind(to mark: Mark) {
    turnCount = mark.turnCount
    session?.rewind(to: mark.session)
  }

  /// Ends the answer in the form that the next turn continues.
  ///
  /// - Parameter pending: the last picked token, where it is not in the cache.
  func endAnswer(pending: Int32?, events: (GenerationEvent) -> Void) throws {
    guard let session else { return }
    try begin(.conversation(writesText: true), events: events)
    let builder = PromptBuilder(model: model)
    let drew =
      session.ids.last.map(Int.init) == model.configuration.specialTokens.imageGenStart
    try session.append(builder.endOfAnswer(pending: pending, drew: drew), pictures: [], run)
  }

  /// - Parameter closing: tokens that the end of an answer takes.
  private func makeSession(
    promptTokens: Int, closing: Int, _ events: (GenerationEvent) -> Void
  ) throws -> LanguageSession {
    let configuration = model.configuration
    try model.require(.llmEmbedding, .llm, to: "read a prompt")
    let drawing = try options.drawing.map { try $0.drawing(model, weights: weights) }
    let limit = configuration.languageModel.maxPositionEmbeddings
    guard promptTokens < limit else {
      throw GenerationError(
        .contextFull, "the prompt has \(promptTokens) tokens, the model reads \(limit) at most")
    }
    var capacity = LanguageSession.Capacity(
      context: limit, drawing: drawing?.schedule,
      rows: max(min(promptTokens, Self.largestRows), drawing?.largestRows ?? 1))
    if let contextTokens = options.contextTokens {
      capacity.context = min(contextTokens, limit)
      capacity.closing = closing
      // A later turn may be longer than the first.
      capacity.rows = max(capacity.rows, min(capacity.context, Self.largestTurnRows))
    } else if options.maximumTextTokens < limit - promptTokens {
      // One more than the text: the token that starts a picture.
      capacity.context = promptTokens + options.maximumTextTokens + 1
    } else if options.maximumTextTokens > limit - promptTokens + 1 {
      // The last token of a text is never read, so it needs no place.
      events(.textLimited(tokenCount: limit - promptTokens + 1))
    }
    if let rows = options.rowsPerPass { capacity.rows = max(rows, drawing?.largestRows ?? 1) }
    var plan = MemoryPlan()
    let layout = LanguageSession.reserve(
      &plan, configuration.languageModel, capacity: capacity, kvType: model.kvType)
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

  /// - Throws: `invalidRequest` for bounds that no picture can meet.
  func preprocessing(
    minimumPixels: Int?, maximumPixels: Int?
  ) throws(GenerationError) -> ImagePreprocessing {
    for (name, bound) in [("least", minimumPixels), ("largest", maximumPixels)] {
      guard let bound else { continue }
      try GenerationError.require(bound, in: 1...1 << 30, "\(name) number of pixels")
    }
    var preprocessing = imagePreprocessing.limited(
      maximumTokens: ImagePreprocessing.defaultMaximumTokens)
    if let maximumPixels { preprocessing.maxPixels = maximumPixels }
    preprocessing.minPixels = min(minimumPixels ?? preprocessing.minPixels, preprocessing.maxPixels)
    return preprocessing
  }
}
