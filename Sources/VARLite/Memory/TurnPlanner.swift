import VARKernels
import VARModels
import VARSystem

/// What a turn finds in the conversation that it belongs to.
struct ConversationScope {
  /// Text and picture tokens of all turns; nil where the conversation is one turn.
  var contextTokens: Int?
  /// Rows of a prompt that go through the layers at once; nil picks. Changes no result.
  var rowsPerPass: Int?
  /// What the state of a conversation that goes on can hold; nil before the first turn.
  var capacity: LanguageSession.Capacity?
  /// Tokens that it holds.
  var tokenCount = 0
  /// Type of its cached keys and values; nil before the first turn.
  var kvType: KVType?
  /// Whether the model keeps what the conversation begins with.
  var keepsPrefixes = true
}

/// Plans the memory of a turn before it is taken, and says what would help where it does not fit.
struct TurnPlanner {
  let model: Model
  let scope: ConversationScope
  let turn: PreparedRequest
  /// Whether the turn is read and its words are written, and only its picture is left.
  var isPictureOnly = false

  /// Rows of a prompt that go through the layers at once at most; a longer one takes several passes.
  private static let largestRows = 4096
  /// The same for the turns of a conversation whose later turns are not known when the memory is planned.
  private static let largestTurnRows = 1024

  private var request: Request { turn.request }
  private var promptTokens: Int { isPictureOnly ? 0 : turn.promptTokens }
  private var drawsAtOnce: Bool { isPictureOnly || turn.drawsAtOnce }
  var kvType: KVType {
    scope.kvType ?? request.kvType ?? request.drawing?.history?.kvType ?? model.kvType
  }

  private func drawing() throws(VARLiteError) -> ImageDrawing? {
    try request.drawing?.drawing(model)
  }

  /// What the state of a conversation must hold that starts with the turn.
  ///
  /// - Throws: `contextFull` where the model cannot read the prompt.
  func capacity() throws(VARLiteError) -> LanguageSession.Capacity {
    if let capacity = scope.capacity { return capacity }
    let drawing = try drawing()
    let limit = model.configuration.languageModel.maxPositionEmbeddings
    guard promptTokens < limit else {
      throw VARLiteError(
        .contextFull,
        "the prompt has \(promptTokens) tokens, the model reads \(limit) at most; shorten it, or "
          + "take fewer or smaller pictures")
    }
    // The token that starts a picture has its place behind the longest text.
    var capacity = LanguageSession.Capacity(
      context: limit, drawing: drawing?.room,
      rows: max(min(promptTokens, Self.largestRows), drawing?.largestReadRows ?? 1),
      closing: drawing != nil && !drawsAtOnce ? 1 : 0)
    if let contextTokens = scope.contextTokens {
      capacity.context = min(contextTokens, limit)
      capacity.closing = PromptBuilder(model: model).largestEndOfAnswer
      // A later turn may be longer than the first.
      capacity.rows = max(capacity.rows, min(capacity.context, Self.largestTurnRows))
    } else if turn.maximumTextTokens < limit - promptTokens {
      capacity.context = promptTokens + turn.maximumTextTokens + 1
    }
    if let rows = scope.rowsPerPass { capacity.rows = max(rows, drawing?.largestReadRows ?? 1) }
    return capacity
  }

  /// Tokens that can be written at most, where that is fewer than asked for.
  var textLimit: Int? {
    guard scope.capacity == nil, scope.contextTokens == nil else { return nil }
    // The last token of a text is never read, so it needs no place.
    // The token that starts a picture does.
    let limit =
      model.configuration.languageModel.maxPositionEmbeddings - promptTokens
      + (request.drawing == nil ? 1 : 0)
    return drawsAtOnce || turn.maximumTextTokens <= limit ? nil : limit
  }

  private func shape() throws(VARLiteError) -> RequestShape {
    let capacity = try capacity()
    var shape = RequestShape(capacity: capacity)
    shape.promptTokens = promptTokens
    shape.earlierTokens = scope.tokenCount
    shape.textTokens = drawsAtOnce ? 0 : min(turn.maximumTextTokens, capacity.context)
    shape.pictureGrids = isPictureOnly ? [] : turn.grids
    shape.pictureByteCount = isPictureOnly ? 0 : turn.pictureByteCount
    // In a session, a picture that may come of the turn is planned when it comes.
    if scope.contextTokens == nil || drawsAtOnce {
      shape.drawing = try drawing()
      shape.previews = request.drawing?.previewSource(model)
      let context = scope.tokenCount + promptTokens + shape.textTokens
      // The token that starts the picture is no text feature.
      shape.contextTokens = max(0, min(context, capacity.context) - (drawsAtOnce ? 1 : 0))
    }
    shape.keepsSession = scope.contextTokens != nil
    if scope.keepsPrefixes, scope.capacity == nil, !isPictureOnly {
      shape.newPrefixes = NewPrefixes(
        systemTurn: turn.systemTurn,
        conversationTokens: shape.keepsSession
          ? 0 : promptTokens + shape.textTokens + capacity.closing,
        draws: capacity.drawing != nil)
    }
    return shape
  }

  func plan(_ budget: MemoryBudget) throws(VARLiteError) -> RequestPlan {
    try RequestPlanner(
      model: model, kvType: kvType, residency: request.residency ?? model.options.residency
    ).plan(try shape(), budget)
  }
}

// MARK: What would help

extension TurnPlanner {
  /// Changes with each of which the turn would fit.
  func remedies(_ plan: RequestPlan, _ budget: MemoryBudget) -> [Remedy] {
    func fits(_ remedy: Remedy) -> Bool {
      guard let changed = request.applying(remedy),
        let turn = try? turn.changed(to: changed, model)
      else { return false }
      let planner = TurnPlanner(
        model: model, scope: scope, turn: turn, isPictureOnly: isPictureOnly)
      return (try? planner.plan(budget))?.shortfallByteCount == 0
    }
    var ways: [Remedy] = []
    if plan.residency != .stream { ways.append(Remedy(.streamedWeights)) }
    if plan.kvType != .int8, scope.kvType == nil { ways.append(Remedy(.int8Cache)) }
    ways = ways.filter(fits)
    if request.drawing == nil {
      ways += shorterTexts.first(where: fits).map { [$0] } ?? []
    } else {
      ways += smallerDrawings.first(where: fits).map { [$0] } ?? []
      // A drawing that goes on stays the same picture.
      if request.drawing?.history == nil, (try? drawing())??.branches == 2 {
        ways += [Remedy(.coarseGuidance), Remedy(.noGuidance)].filter(fits)
      }
    }
    ways += smallerPictures.first(where: fits).map { [$0] } ?? []
    return ways + largerBudget(plan)
  }

  private var shorterTexts: [Remedy] {
    sequence(first: turn.maximumTextTokens / 2) { $0 / 2 }.prefix { $0 >= 16 }
      .map { Remedy(.fewerTokens, $0) }
  }

  /// From the largest on.
  private var smallerDrawings: [Remedy] {
    guard request.drawing?.history == nil else { return [] }
    let scales = (try? drawing())??.schedule.scales.count ?? 0
    return PixelBudget.allCases.filter { $0.scaleCount < scales }.reversed()
      .map { Remedy(.smallerDrawing, $0.squareSizePixels) }
  }

  /// Caps on the pixels of pictures, from the largest on.
  private var smallerPictures: [Remedy] {
    let factor = model.imagePreprocessing.factor
    return [400, 256, 144, 64].filter { cap in turn.pictureTokens.contains { $0 > cap } }
      .map { Remedy(.smallerPictures, $0 * factor * factor) }
  }

  private func largerBudget(_ plan: RequestPlan) -> [Remedy] {
    // Rounded up, and one more: what the program takes by itself differs a little from run to run.
    let neededMebibytes = plan.minimumByteCount >> 20 + 2
    if plan.isBoundByLimit {
      let missing = max(0, plan.minimumByteCount - plan.budgetByteCount)
      return [Remedy(.higherLimit, (missing >> 20 + 2) << 20)]
    }
    guard let system = SystemMemory.current(), system.availableBytes >= neededMebibytes << 20
    else { return [] }
    return [Remedy(.largerBudget, neededMebibytes << 20)]
  }
}
