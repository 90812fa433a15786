import CVARKernels
import VARKernels
import VARModels
import VARSystem
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
  private(set) var options: Options
  package let run: RunContext
  package let weights: ModelWeights
  let recorder: TraceRecorder?
  private let requestID: Int
  private let computeArena: Arena
  private var sessionArena: Arena?
  package private(set) var session: LanguageSession?
  private var turnCount = 0
  /// What was planned for the turn that runs.
  package private(set) var plan: RequestPlan?

  package init(
    _ model: VARGPT, options: Options, recorder: TraceRecorder? = nil,
    observer: (any LinearObserver)? = nil, isCancelled: @escaping () -> Bool = { false }
  ) throws {
    self.model = model
    self.options = options
    self.recorder = recorder
    guard let pool = ThreadPool(threadCount: model.options.threadCount) else {
      throw GenerationError(
        .outOfMemory, "the system refused \(model.options.threadCount) threads",
        remedies: [Remedy(.fewerThreads)])
    }
    var plan = MemoryPlan()
    let scratch = model.reserveCompute(&plan)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    computeArena = arena
    let compute = Compute(
      instructionSet: model.options.instructionSet, pool: pool, arena: arena, scratch: scratch)
    run = RunContext(
      compute: compute, trace: recorder, observer: observer, isCancelled: isCancelled)
    weights = try ModelWeights(
      source: model.sources.source(model.options.residency.fixed ?? .map), tensors: model.tensors)
    requestID = model.nextRequestID
  }

  deinit { endReading() }

  /// Says that what follows is a phase of the plan, whose weights are read.
  func begin(_ phase: WeightPhase, events: (GenerationEvent) -> Void) throws {
    guard let planned = plan?.phase(phase) else {
      preconditionFailure("a phase begins that was not planned")
    }
    let request = WeightRequest(id: requestID, isCancelled: run.isCancelled)
    try weights.begin(planned.weights, for: request) { done, total in
      events(.loading(doneBytes: done, totalBytes: total))
    }
  }

  /// Takes up a plan: weights are where it says from now on.
  func adopt(_ plan: RequestPlan) {
    weights.use(plan.residency, of: model.sources, for: WeightRequest(id: requestID))
    self.plan = plan
  }

  /// Draws pictures with another seed from now on.
  func reseed(_ seed: UInt64) { options.drawing?.seed = seed }

  func adoptRoundTrip(grid: GridSize, events: (GenerationEvent) -> Void) throws {
    let plan = try planner.roundTripPlan(grid: grid)
    adopt(plan)
    events(.planned(plan))
  }

  /// Gives the conversation's own memory back: it ends here.
  func releaseSession() {
    session = nil
    sessionArena = nil
  }

  /// Plans turns of this conversation.
  var planner: ConversationPlanner {
    ConversationPlanner(
      model: model, options: options, session: session.map { ($0.capacity, $0.ids.count) })
  }

  /// Says that weights are not read until a new phase begins: other requests may take them over.
  func endReading() { weights.end(WeightRequest(id: requestID)) }

  /// Appends a user turn and the start of the answer. Where that fails, the conversation stays as it was.
  ///
  /// - Returns: what was planned for the turn before it ran.
  @discardableResult
  package func append(
    _ prompt: Prompt, forcesDrawing: Bool = false, events: (GenerationEvent) -> Void
  ) throws -> RequestPlan {
    let builder = PromptBuilder(model: model)
    let preprocessing = try model.preprocessing(
      minimumPixels: options.minimumPixels, maximumPixels: options.maximumPixels)
    let encoder = PictureEncoder(model: model, weights: weights, preprocessing: preprocessing)
    // Everything is checked before the tower looks at a picture, which takes long.
    let ids = try builder.ids(prompt, isFirstTurn: turnCount == 0, forcesDrawing: forcesDrawing)
    let patches = try encoder.patches(prompt.images)
    let expanded = try builder.expand(ids, pictures: patches.map(\.tokenCount))
    let turn = PlannedTurn(
      promptTokens: expanded.count,
      pictureGrids: patches.map { GridSize(height: $0.gridHeight, width: $0.gridWidth) },
      forcesDrawing: forcesDrawing, mayDraw: options.contextTokens == nil)
    try model.require(.llmEmbedding, .llm, to: "read a prompt")
    try self.session?.requireRoom(for: expanded.count + (self.session?.capacity.closing ?? 0))
    let planner = self.planner
    let capacity = try planner.capacity(turn)
    let plan = try planner.fittingPlan(turn)
    adopt(plan)
    events(.planned(plan))
    if let limit = planner.textLimit(turn) { events(.textLimited(tokenCount: limit)) }
    let pictures = try encoder.encode(patches, run, events: events) { phase in
      try begin(phase, events: events)
    }
    try begin(.conversation(writesText: !forcesDrawing), events: events)
    let session = try self.session ?? makeSession(capacity)
    try session.requireRoom(for: expanded.count + session.capacity.closing)
    events(.reading(tokenCount: expanded.count))
    try session.append(expanded, pictures: pictures, run)
    self.session = session
    turnCount += 1
    tracePrompt(session, forcesDrawing: forcesDrawing)
    return plan
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

  private func makeSession(_ capacity: LanguageSession.Capacity) throws -> LanguageSession {
    let configuration = model.configuration
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
  /// Scratch of quantized activations, which every phase uses.
  func reserveCompute(_ plan: inout MemoryPlan) -> Compute.ScratchIDs {
    Compute.reserve(&plan, maximumColumns: largestQuantizedInput)
  }

  /// The widest input of a quantized matrix.
  var largestQuantizedInput: Int {
    file.tensors.reduce(16) { largest, tensor in
      tensor.description.elementType.isQuantized && tensor.description.layout == .tiles
        ? max(largest, tensor.description.cols) : largest
    }
  }

  /// Sizes that the pictures of the training have when the vision tower looks at them; nil where the file names none.
  func knownPictureSizes() -> [PixelSize]? {
    let sizes = configuration.training.sizes.compactMap { size -> PixelSize? in
      let resized = try? imagePreprocessing.smartResize(height: size.height, width: size.width)
      return resized.map { PixelSize(height: $0.height, width: $0.width) }
    }
    return sizes.isEmpty ? nil : sizes
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
