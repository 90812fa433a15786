import VARModels

extension Conversation {
  /// Answers a request: reads it, writes, and draws where it is to be drawn.
  ///
  /// - Throws: errors of all layers; the conversation then stays as it was before.
  func answer(_ request: Request, _ reporter: RequestReporter) throws -> Response {
    beginTurn(reporter)
    let mark = mark
    defer { endTurn() }
    do {
      let turn = try prepare(request)
      try admit(turn)
      reporter.drawsPicture = request.drawing.map { $0.start != .whereTheModelStarts } ?? false
      return try answer(turn)
    } catch {
      rewind(to: mark)
      throw error
    }
  }

  private func answer(_ turn: PreparedRequest) throws -> Response {
    guard let plan else { preconditionFailure("a turn runs before it is admitted") }
    var response = Response(
      settings: try settings(turn.request), asked: PictureTexts.Asked(turn.request), plan: plan)
    let before = session?.ids.count ?? 0
    let prompt = try read(turn)
    response.usage.pictureTokens = turn.pictureTokens.reduce(0, +)
    response.usage.promptTokens = turn.promptTokens - turn.answer.count
    response.usage.cachedTokens = cachedTokens
    let drawing = turn.request.drawing
    var written = WrittenText()
    if turn.drawsAtOnce {
      written.end = .drawing
      written.ids = turn.request.drawing?.history?.answerTokens ?? []
      written.text = model.tokenizer.decode(written.ids, skipSpecial: true)
    } else {
      written = try write(turn.request.text, count: turn.maximumTextTokens, mayDraw: drawing != nil)
      if drawing?.start == .afterText { try startPicture(after: &written) }
    }
    keepConversation()
    response.text = written.text
    response.tokens = written.ids
    response.usage.textTokens = written.ids.count
    response.end = written.end.reason
    if written.end == .drawing, let session {
      let state = DrawingOrigin(
        prompt: prompt,
        answerTokens: Array(session.ids[(before + response.usage.promptTokens)...]))
      try draw(turn, state, &response)
    }
    if contextTokens != nil {
      try endAnswer(pending: written.end == .drawing ? nil : written.ids.last)
    }
    response.plan = self.plan ?? plan
    try model.requireUnchanged()
    saveSystemTurn()
    reporter.finish()
    response.timings = reporter.timings
    return response
  }

  private func settings(_ request: Request) throws(VARLiteError) -> Response.Settings {
    Response.Settings(
      model: model.contentHash, kvType: plan?.kvType ?? model.kvType,
      seed: request.drawing?.seed ?? request.text.seed,
      drawing: try request.drawing?.settings(model))
  }
}

// Doors for accuracy tools and tests.
extension Conversation {
  /// Reads a request's prompt and nothing more: the logits of its last token are ``LanguageSession/nextLogits(_:)``.
  package func readPrompt(of request: Request) throws {
    beginTurn(RequestReporter())
    let turn = try prepare(request)
    try admit(turn)
    _ = try read(turn)
  }

  /// Answers a request whose progress nobody follows.
  package func answer(_ request: Request) throws -> Response {
    try answer(request, RequestReporter())
  }
}
