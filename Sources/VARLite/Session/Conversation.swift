import CVARKernels
import VARKernels
import VARModels
import VARVision

/// One conversation with its memory: requests go in, text and pictures come out.
///
/// A request is prepared (words to ids, headers of pictures), planned, and admitted by the ledger. From then on it owns
/// what was planned: scratch of the kernels, the language model's state, the weights of the phase that runs. Where the
/// conversation goes on, the state stays, and the ledger holds its bytes.
///
/// Not for use from several threads at once; each request or session has its own.
package final class Conversation {
  let model: Model
  let instruments: Instruments
  package let weights: ModelWeights
  /// Text and picture tokens of all turns; nil sizes the state for one turn alone.
  let contextTokens: Int?
  package private(set) var session: LanguageSession?
  /// What was planned for the turn that runs.
  package private(set) var plan: RequestPlan?
  /// Tells how far the turn is.
  private(set) var reporter = RequestReporter()
  /// Of the turn that is read, where the conversation begins with it and is kept.
  var promptTokens: PromptTokens?
  /// A system turn that no file has yet.
  var newSystemTurn: KeptPrefix?
  /// Tokens whose keys and values the turn that runs found there.
  private(set) var cachedTokens = 0
  private var turnCount = 0
  private let requestID: Int
  private var compute: Compute?
  /// Type of the cached keys and values; nil before the first turn.
  private(set) var kvType: KVType?
  private var arenas: (compute: Arena?, session: Arena?)
  /// What the ledger knows of this conversation.
  private var admission: MemoryLedger.Admission?

  var recorder: TraceRecorder? { instruments.recorder }

  package init(
    _ model: Model, contextTokens: Int? = nil, instruments: Instruments = Instruments()
  ) throws(VARLiteError) {
    try model.runtime.requireOpen()
    self.model = model
    self.contextTokens = contextTokens
    self.instruments = instruments
    weights = try VARLiteError.wrapping {
      try ModelWeights(
        source: model.sources.source(model.options.residency.fixed ?? .map),
        tensors: model.tensors)
    }
    requestID = model.runtime.nextRequestID
  }

  deinit {
    endReading()
    guard let admission else { return }
    // Others may take the memory when it is free, not before.
    (compute, arenas, session) = (nil, (nil, nil), nil)
    model.runtime.ledger.end(admission.id)
  }

  /// What every forward pass of the turn shares.
  package var run: RunContext {
    guard let compute else { preconditionFailure("a pass begins before the turn is admitted") }
    let reporter = reporter
    return RunContext(
      compute: compute, trace: recorder, observer: instruments.observer,
      isCancelled: { reporter.stop.isNow }, layerBegins: { reporter.layerBegins() })
  }

  // MARK: Admission

  /// Plans a request and waits until the ledger admits it. From then on the memory of the plan is this conversation's.
  func admit(_ turn: PreparedRequest, isPictureOnly: Bool = false) throws {
    let planner = TurnPlanner(model: model, scope: scope, turn: turn, isPictureOnly: isPictureOnly)
    kvType = planner.kvType
    try admit(
      MemoryLedger.Candidate(
        model: model, plan: planner.plan, remedies: planner.remedies, replaced: admission?.id,
        waits: !isPictureOnly && turn.request.whenBusy == .waits))
  }

  /// The same for a request without words.
  func admit(_ candidate: MemoryLedger.Candidate) throws {
    let admission = try model.runtime.ledger.admit(candidate, reporter.stop) { [reporter] place in
      reporter.waits(place)
    }
    self.admission = admission
    try model.requireUnchanged()
    model.prefixes.shrink(to: admission.plan.keptByteCount)
    weights.use(
      admission.plan.weightResidency, of: model.sources, for: WeightRequest(id: requestID))
    plan = admission.plan
    reporter.begin(admission.plan)
    if compute == nil { try makeCompute() }
  }

  private var scope: ConversationScope {
    ConversationScope(
      contextTokens: contextTokens, rowsPerPass: instruments.rowsPerPass,
      capacity: session?.capacity, tokenCount: session?.ids.count ?? 0,
      kvType: session == nil ? nil : kvType, keepsPrefixes: reusesPrefixes)
  }

  private func makeCompute() throws {
    let pool = try model.runtime.threads()
    var plan = MemoryPlan()
    let scratch = model.reserveCompute(&plan)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    arenas.compute = arena
    compute = Compute(
      instructionSet: model.runtime.options.instructionSet, pool: pool, arena: arena,
      scratch: scratch)
  }

  /// Says that what follows is a phase of the plan, whose weights are read.
  func begin(_ phase: WeightPhase, as kind: RequestPhase? = nil) throws {
    guard let planned = plan?.phase(kind ?? RequestPhase(phase)) else {
      preconditionFailure("a phase begins that was not planned")
    }
    let request = WeightRequest(id: requestID, isCancelled: { [reporter] in reporter.stop.isNow })
    try weights.begin(planned.weights, for: request) { done, total in
      reporter.loads(done, of: total)
    }
  }

  /// A turn begins, with who is told of it.
  func beginTurn(_ reporter: RequestReporter) { self.reporter = reporter }

  /// A turn ends. Weights are not read until the next one begins, and only the conversation's own state is held.
  func endTurn() {
    reporter.end()
    endReading()
    guard let admission else { return }
    let ledger = model.runtime.ledger
    guard contextTokens != nil, session != nil else {
      (compute, arenas) = (nil, (nil, nil))
      session = nil
      ledger.end(admission.id)
      self.admission = nil
      return
    }
    let held = [arenas.compute, arenas.session].reduce(0) { $0 + ($1?.plan.byteCount ?? 0) }
    ledger.hold(admission.id, bytes: held)
  }

  private func endReading() { weights.end(WeightRequest(id: requestID)) }

  /// Gives the language model's state back, where no other turn follows.
  func releaseSession() {
    guard contextTokens == nil else { return }
    session = nil
    arenas.session = nil
  }

  // MARK: Turns

  /// Words and pictures of a request, and what they are to be read with.
  func prepare(_ request: Request) throws(VARLiteError) -> PreparedRequest {
    let turn = try model.prepare(request, isFirstTurn: turnCount == 0)
    try model.require(.llmEmbedding, .llm, to: "read a prompt")
    if let session {
      try session.requireRoom(for: turn.promptTokens + session.capacity.closing)
      try request.drawing?.drawing(model).requireFit(session.capacity)
    } else {
      _ = try request.drawing?.drawing(model)
    }
    return turn
  }

  /// Reads a turn that was admitted, up to the start of the answer. Where that fails, the conversation stays as it was.
  ///
  /// - Returns: hash of the prompt's tokens and pictures.
  func read(_ turn: PreparedRequest) throws -> PromptHash {
    let planner = TurnPlanner(model: model, scope: scope, turn: turn)
    if let limit = planner.textLimit {
      reporter.report(.note(Note(.limitedText, tokenCount: limit)))
    }
    let capacity = try planner.capacity()
    let builder = PromptBuilder(model: model)
    var hash = PromptHash()
    let patches = try patches(of: turn, &hash)
    let expanded = try builder.expand(turn.ids, pictures: turn.pictureTokens)
    let tokens = PromptTokens(
      expanded + turn.answer, pictures: patches.map(\.picture),
      tokens: model.configuration.specialTokens)
    // The logits of the last token are wanted.
    let reuse = prefixReuse(
      turn, tokens, atMost: expanded.count - (turn.answer.isEmpty ? 1 : 0),
      draws: capacity.drawing != nil)
    let pictures = try encode(patches, readFrom: reuse.count, of: tokens)
    try begin(.conversation(writesText: !turn.drawsAtOnce))
    let session = try self.session ?? makeSession(capacity)
    let count = expanded.count + turn.answer.count
    try session.requireRoom(for: count + session.capacity.closing)
    let passes = (count - reuse.count + capacity.rows - 1) / capacity.rows
    var unit = RequestReporter.Unit(
      Progress(.reading, total: count - reuse.count), done: 0, share: 1)
    unit.layerCounts = [passes * model.configuration.languageModel.numHiddenLayers]
    unit.workShare = Double(count - reuse.count) / Double(count)
    reporter.begin(unit)
    let mark = session.mark
    cachedTokens = session.ids.count + reuse.count
    do {
      try session.append(expanded, pictures: pictures, reuse, run)
      if !turn.answer.isEmpty { try session.append(turn.answer, pictures: [], run) }
    } catch {
      session.rewind(to: mark)
      throw error
    }
    if let kept = reuse.kept { keepSystemTurn(kept, of: session) }
    promptTokens = self.session == nil ? tokens : nil
    hash.add(Array(session.ids.dropLast(turn.answer.count)))
    self.session = session
    turnCount += 1
    tracePrompt(session, answerCount: turn.answer.count)
    return hash
  }

  /// The pictures of a turn as the network sees them, with what tells them apart.
  private func patches(
    of turn: PreparedRequest, _ hash: inout PromptHash
  ) throws -> [(patches: ImagePatches, picture: PromptTokens.Picture)] {
    let pictures = try turn.patches().map { patches in
      let merged = GridSize(height: patches.gridHeight / 2, width: patches.gridWidth / 2)
      return (patches, PromptTokens.Picture(grid: merged, hash: hash.add(patches)))
    }
    try turn.request.drawing?.history?.requirePictures(hash.pictures)
    return pictures
  }

  /// Pictures of which any token is read are looked at.
  ///
  /// - Parameter first: the first token that is read.
  private func encode(
    _ pictures: [(patches: ImagePatches, picture: PromptTokens.Picture)], readFrom first: Int,
    of tokens: PromptTokens
  ) throws -> [EncodedPicture] {
    guard !pictures.isEmpty else { return [] }
    var unread = tokens.pictures[..<first].count { $0 != nil }
    let skipped = pictures.prefix { picture in
      unread -= picture.picture.grid.tokenCount
      return unread >= 0
    }.count
    if skipped < pictures.count { try begin(.vision(pictureCount: pictures.count - skipped)) }
    let encoder = PictureEncoder(model: model, weights: weights, reporter: reporter)
    return try encoder.encode(pictures.map(\.patches), skipping: skipped, run)
  }

  private func makeSession(_ capacity: LanguageSession.Capacity) throws -> LanguageSession {
    let configuration = model.configuration
    var plan = MemoryPlan()
    let layout = LanguageSession.reserve(
      &plan, configuration.languageModel, capacity: capacity, kvType: kvType ?? model.kvType)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    arenas.session = arena
    return LanguageSession(
      layout, arena: arena, model: Qwen2Model(configuration.languageModel, weights: weights),
      configuration: configuration)
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
    // The turn that comes first, whichever that is, decides what the state can hold.
    if turnCount == 0 { (session, arenas.session) = (nil, nil) }
  }

  /// Ends the answer in the form that the next turn continues.
  ///
  /// - Parameter pending: the last picked token, where it is not in the cache.
  func endAnswer(pending: Int32?) throws {
    guard let session else { return }
    try begin(.conversation(writesText: true))
    let builder = PromptBuilder(model: model)
    let drew =
      session.ids.last.map(Int.init) == model.configuration.specialTokens.imageGenStart
    try session.append(builder.endOfAnswer(pending: pending, drew: drew), pictures: [], run)
  }

  /// Tokens that begin the answer count as the model's own, not as the prompt's.
  private func tracePrompt(_ session: LanguageSession, answerCount: Int) {
    guard let recorder else { return }
    let count = session.ids.count
    let ids = session.ids.map(Int.init)
    recorder.record(
      "input_ids", shape: [1, count - answerCount], integers: Array(ids.dropLast(answerCount)))
    recorder.record("sequence", shape: [1, count], integers: ids)
    let positions = session.positions.positions
    recorder.record(
      "position_ids", shape: [3, 1, count],
      integers: positions.map(\.temporal) + positions.map(\.height) + positions.map(\.width))
    recorder.record("rope_delta", shape: [1, 1], integers: [session.positions.ropeDelta])
  }
}

extension Model {
  /// Scratch of quantized activations, which every phase uses.
  ///
  /// - Parameter columns: of the widest input of matrices that are quantized besides the file's.
  package func reserveCompute(
    _ plan: inout MemoryPlan, columns: Int = 0
  ) -> Compute.ScratchIDs {
    Compute.reserve(&plan, maximumColumns: max(columns, largestQuantizedInput))
  }

  /// The widest input of a quantized matrix.
  var largestQuantizedInput: Int {
    file.tensors.reduce(16) { largest, tensor in
      tensor.description.elementType.isQuantized && tensor.description.layout == .tiles
        ? max(largest, tensor.description.cols) : largest
    }
  }
}
