import VARModels
import VARSystem

/// A turn of a conversation as far as memory is concerned.
struct PlannedTurn {
  /// Tokens of the turn, those of pictures included.
  var promptTokens: Int
  /// Patches along each side of its pictures.
  var pictureGrids: [GridSize] = []
  /// Whether the answer is a picture at once.
  var forcesDrawing = false
  /// Whether a picture that may come of the turn is planned with it.
  var mayDraw = true
}

/// Plans the memory of a turn before it is taken, and says what would help where it does not fit.
struct ConversationPlanner {
  let model: VARGPT
  var options: Conversation.Options
  /// The state of a conversation that goes on: what it holds, and how much of it is used.
  var session: (capacity: LanguageSession.Capacity, tokenCount: Int)?
  /// Where weights are; `automatic` decides by what fits.
  var residency: Residency

  init(
    model: VARGPT, options: Conversation.Options,
    session: (capacity: LanguageSession.Capacity, tokenCount: Int)? = nil
  ) {
    self.model = model
    self.options = options
    self.session = session
    residency = model.options.residency
  }

  /// Rows of a prompt that go through the layers at once at most; a longer one takes several passes.
  private static let largestRows = 4096
  /// The same for the turns of a conversation whose later turns are not known when the memory is planned.
  private static let largestTurnRows = 1024

  /// What the state of a conversation must hold that starts with a turn.
  ///
  /// - Throws: `contextFull` where the model cannot read the prompt.
  func capacity(_ turn: PlannedTurn) throws -> LanguageSession.Capacity {
    if let session { return session.capacity }
    let drawing = try drawing()
    let limit = model.configuration.languageModel.maxPositionEmbeddings
    guard turn.promptTokens < limit else {
      throw GenerationError(
        .contextFull, "the prompt has \(turn.promptTokens) tokens, the model reads \(limit) at most"
      )
    }
    // The token that starts a picture has its place behind the longest text.
    var capacity = LanguageSession.Capacity(
      context: limit, drawing: drawing?.schedule,
      rows: max(min(turn.promptTokens, Self.largestRows), drawing?.largestRows ?? 1),
      closing: drawing != nil && !turn.forcesDrawing ? 1 : 0)
    if let contextTokens = options.contextTokens {
      capacity.context = min(contextTokens, limit)
      capacity.closing = PromptBuilder(model: model).largestEndOfAnswer
      // A later turn may be longer than the first.
      capacity.rows = max(capacity.rows, min(capacity.context, Self.largestTurnRows))
    } else if options.maximumTextTokens < limit - turn.promptTokens {
      capacity.context = turn.promptTokens + options.maximumTextTokens + 1
    }
    if let rows = options.rowsPerPass { capacity.rows = max(rows, drawing?.largestRows ?? 1) }
    return capacity
  }

  /// Tokens that can be written at most, where that is fewer than asked for.
  func textLimit(_ turn: PlannedTurn) -> Int? {
    guard session == nil, options.contextTokens == nil else { return nil }
    // The last token of a text is never read, so it needs no place.
    // The token that starts a picture does.
    let limit =
      model.configuration.languageModel.maxPositionEmbeddings - turn.promptTokens
      + (options.drawing == nil ? 1 : 0)
    return turn.forcesDrawing || options.maximumTextTokens <= limit ? nil : limit
  }

  private func drawing() throws -> ImageDrawing? {
    try options.drawing?.drawing(model, weights: model.namedWeights())
  }

  func plan(_ turn: PlannedTurn, kvType: KVType? = nil) throws -> RequestPlan {
    try RequestPlanner(model: model, kvType: kvType ?? model.kvType, residency: residency)
      .plan(shape(turn), system: SystemMemory.current())
  }

  private func shape(_ turn: PlannedTurn) throws -> RequestShape {
    let capacity = try self.capacity(turn)
    let earlier = session?.tokenCount ?? 0
    var shape = RequestShape(capacity: capacity)
    shape.promptTokens = turn.promptTokens
    shape.earlierTokens = earlier
    shape.textTokens =
      turn.forcesDrawing ? 0 : min(options.maximumTextTokens, capacity.context)
    shape.pictureGrids = turn.pictureGrids
    if turn.mayDraw || turn.forcesDrawing {
      shape.drawing = try drawing()
      let context = earlier + turn.promptTokens + shape.textTokens
      // The token that starts the picture is no text feature.
      shape.contextTokens = max(0, min(context, capacity.context) - (turn.forcesDrawing ? 1 : 0))
    }
    shape.keepsSession = options.contextTokens != nil
    return shape
  }

  /// The plan of a picture's way through the picture tokenizer and back.
  func roundTripPlan(grid: GridSize) throws -> RequestPlan {
    var shape = RequestShape()
    shape.roundTripGrid = grid
    let plan = try RequestPlanner(model: model, kvType: model.kvType, residency: residency)
      .plan(shape, system: SystemMemory.current())
    try plan.requireFit { [] }
    return plan
  }

  /// The plan of a turn that fits.
  ///
  /// - Throws: `outOfMemory` with what is missing and the remedies that would help.
  func fittingPlan(_ turn: PlannedTurn) throws -> RequestPlan {
    let plan = try self.plan(turn)
    try plan.requireFit { remedies(turn, plan) }
    return plan
  }
}

// MARK: What would help

extension ConversationPlanner {
  private func remedies(_ turn: PlannedTurn, _ plan: RequestPlan) -> [Remedy] {
    var ways: [Remedy] = []
    if plan.residency != .stream, fits(turn, { $0.residency = .stream }) {
      ways.append(Remedy(.streamedWeights))
    }
    if plan.kvType != .int8, fits(turn, kvType: .int8) { ways.append(Remedy(.int8Cache)) }
    ways += options.drawing == nil ? textRemedies(turn) : drawingRemedies(turn)
    if let way = pictureRemedy(turn) { ways.append(way) }
    // Rounded up, and one more: what the program takes by itself differs a little from run to run.
    let neededMebibytes = plan.minimumByteCount >> 20 + 2
    if plan.isBoundByLimit {
      ways.append(Remedy(.higherLimit, (plan.limitGap >> 20 + 2) << 20))
    } else if let system = SystemMemory.current(), system.availableBytes >= neededMebibytes << 20 {
      ways.append(Remedy(.largerBudget, neededMebibytes << 20))
    }
    return ways
  }

  private func fits(
    _ turn: PlannedTurn, kvType: KVType? = nil,
    _ change: (inout ConversationPlanner) -> Void = { _ in }
  ) -> Bool {
    var changed = self
    change(&changed)
    return (try? changed.plan(turn, kvType: kvType))?.shortfallByteCount == 0
  }

  private func textRemedies(_ turn: PlannedTurn) -> [Remedy] {
    var tokens = options.maximumTextTokens / 2
    while tokens >= 16 {
      if fits(turn, { $0.options.maximumTextTokens = tokens }) {
        return [Remedy(.fewerTokens, tokens)]
      }
      tokens /= 2
    }
    return []
  }

  private func drawingRemedies(_ turn: PlannedTurn) -> [Remedy] {
    var ways: [Remedy] = []
    let scales = (try? drawing())??.schedule.scales.count ?? 0
    let smaller = PixelBudget.allCases.filter { $0.scaleCount < scales }.last { budget in
      fits(turn) { $0.options.drawing?.size = .budget(budget) }
    }
    if let smaller { ways.append(Remedy(.smallerDrawing, smaller.squareSizePixels)) }
    let usesGuidance = (try? drawing())??.branches == 2
    if usesGuidance, fits(turn, { $0.options.drawing?.cfgScale = 1 }) {
      ways.append(Remedy(.noGuidance))
    }
    return ways
  }

  /// A cap on the pixels of pictures: the largest of a few.
  private func pictureRemedy(_ turn: PlannedTurn) -> Remedy? {
    let tokens = turn.pictureGrids.map { $0.tokenCount / 4 }
    for cap in [400, 256, 144, 64] where tokens.contains(where: { $0 > cap }) {
      var smaller = turn
      smaller.pictureGrids = tokens.map { GridSize(height: 2, width: 2 * min($0, cap)) }
      smaller.promptTokens -= tokens.reduce(0) { $0 + max(0, $1 - cap) }
      if fits(smaller) {
        let factor = model.imagePreprocessing.factor
        return Remedy(.smallerPictures, cap * factor * factor)
      }
    }
    return nil
  }
}
