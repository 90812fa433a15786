import VARModels

extension Model {
  /// What a request will take. Reads no weights, and of pictures their headers alone.
  ///
  /// - Parameter promptTokens: tokens of text in the prompt, the system message included, where the request does not
  ///   hold the text yet; nil counts those of its messages.
  /// - Throws: an error of the category `request`, `contextFull`, `model` or `picture` for a request that the model
  ///   cannot serve whatever the memory. Where only the memory is missing, the plan says how much.
  public func plan(
    _ request: Request, promptTokens: Int? = nil
  ) throws(VARLiteError) -> RequestPlan {
    try planner(request, promptTokens).plan(try runtime.ledger.budget())
  }

  /// Throws an error of the category `memory`, with the remedies that would help, unless a request fits.
  public func requireFit(_ request: Request, promptTokens: Int? = nil) throws(VARLiteError) {
    let planner = try planner(request, promptTokens)
    let budget = try runtime.ledger.budget()
    let plan = try planner.plan(budget)
    try plan.requireFit { planner.remedies(plan, budget) }
  }

  private func planner(
    _ request: Request, _ promptTokens: Int?
  ) throws(VARLiteError) -> TurnPlanner {
    try runtime.requireOpen()
    if let promptTokens {
      try VARLiteError.require(promptTokens, in: 0...1 << 30, "number of prompt tokens")
    }
    let prepared = try prepare(request, isFirstTurn: true)
    return TurnPlanner(
      model: self, scope: ConversationScope(),
      turn: promptTokens.map { prepared.counting(textTokens: $0) } ?? prepared)
  }

  /// Answers a request on the calling thread.
  ///
  ///     var drawing = DrawingRequest()
  ///     drawing.previews = .everyScale
  ///     let stop = StopSignal()  // stop.stop(.afterScale), from any thread, ends it with the picture so far
  ///     let response = try model.run(Request("Draw a circle.", drawing: drawing), stop: stop) { event in
  ///       if let preview = event.preview { show(preview.picture) }
  ///     }
  ///
  /// Neither tasks nor queues are used; the runtime's threads help with the computing. Requests of several threads run
  /// at once where they fit the memory together.
  /// - Parameters:
  ///   - stop: asks the request to stop, from any thread.
  ///   - events: called on the calling thread. The request goes on when it returns. It must not run another request of
  ///     the same runtime, which may have to wait for this one.
  /// - Throws: an error of any category; with `cancelled` where it was stopped.
  public func run(
    _ request: Request, stop: StopSignal = StopSignal(), events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Response {
    try run(request, instruments: Instruments(), stop: stop, events: events)
  }

  /// The same with measurements from inside.
  package func run(
    _ request: Request, instruments: Instruments, stop: StopSignal = StopSignal(),
    events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Response {
    let conversation = try Conversation(self, instruments: instruments)
    return try RequestReporter.telling(self, events, stop) { reporter throws(VARLiteError) in
      try VARLiteError.wrapping { try conversation.answer(request, reporter) }
    }
  }

  /// Starts a request on a thread of its own, and returns at once.
  ///
  /// - Throws: an error of the category `memory` where the system refuses a thread, or `closed`.
  public func submit(_ request: Request) throws(VARLiteError) -> Job {
    try runtime.requireOpen()
    return try runtime.jobs.start { stop, events throws(VARLiteError) in
      try self.run(request, stop: stop, events: events)
    }
  }

  /// The picture of a drawing's scales so far.
  ///
  /// - Throws: an error of the category `request` for a drawing of another model.
  public func picture(
    of drawing: DrawingState, stop: StopSignal = StopSignal(),
    events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> RGBImage {
    try require(.vaeDecoder, to: "show a drawing")
    try drawing.check(self)
    var shape = RequestShape()
    shape.decodedGrid = drawing.schedule.finalGrid
    return try runCodec(shape, stop, events) { conversation in
      let quantizer = BinaryQuantizer(
        codebookDim: self.configuration.generator.codebookDim, schedule: drawing.schedule)
      return try conversation.decode(
        quantizer.sum(of: drawing.bits), grid: drawing.schedule.finalGrid)
    }
  }
}

extension Model {
  /// Runs the picture tokenizer alone.
  func runCodec<Result>(
    _ shape: RequestShape, instruments: Instruments = Instruments(), _ stop: StopSignal,
    _ events: (Event) -> Void, _ body: (Conversation) throws -> Result
  ) throws(VARLiteError) -> Result {
    let conversation = try Conversation(self, instruments: instruments)
    let planner = RequestPlanner(model: self, kvType: kvType, residency: options.residency)
    let candidate = MemoryLedger.Candidate(
      model: self, plan: { budget throws(VARLiteError) in try planner.plan(shape, budget) },
      remedies: { _, _ in [] })
    return try RequestReporter.telling(self, events, stop) { reporter throws(VARLiteError) in
      try VARLiteError.wrapping {
        conversation.beginTurn(reporter)
        defer { conversation.endTurn() }
        try conversation.admit(candidate)
        let result = try body(conversation)
        try requireUnchanged()
        return result
      }
    }
  }
}

extension RequestReporter {
  /// Runs a body that tells a caller's closure of its events.
  static func telling<Result>(
    _ model: Model, _ events: (Event) -> Void, _ stop: StopSignal,
    _ body: (RequestReporter) throws(VARLiteError) -> Result
  ) throws(VARLiteError) -> Result {
    let threadCount = model.runtime.options.threadCount
    return try withoutActuallyEscaping(events) { events throws(VARLiteError) in
      let reporter = RequestReporter(stop: stop, threadCount: threadCount, send: events)
      defer { reporter.fallSilent() }
      return try body(reporter)
    }
  }
}
