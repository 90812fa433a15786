import VARModels

/// A conversation of many turns whose memory is kept from turn to turn: only what is new is read.
///
/// Between two turns the session holds the cache of its tokens in the runtime's budget, until it is released. Not for
/// use from several threads at once. A picture that the model has drawn is not shown to it in later turns.
public final class ChatSession {
  package let conversation: Conversation
  private let model: Model
  /// Whether the model's file holds all that drawing takes.
  public var canDraw: Bool { model.canDraw }
  /// Tokens of the conversation so far.
  public var tokenCount: Int { conversation.session?.ids.count ?? 0 }

  /// - Parameter contextTokens: text and picture tokens that the whole conversation may have; at most what the model
  ///   reads.
  /// - Throws: an error of the category `request` for a context of no tokens, or `closed`.
  public init(_ model: Model, contextTokens: Int = 2048) throws(VARLiteError) {
    try VARLiteError.require(contextTokens, in: 1...Int.max, "context")
    self.model = model
    conversation = try Conversation(model, contextTokens: contextTokens)
  }

  /// Says what is new, and lets the model answer.
  ///
  /// A turn that fails or is stopped at once leaves the conversation as it was before. The first turn decides what the
  /// session can draw: its pictures have at most the scales of that turn's ``Request/drawing``.
  /// A picture that the answer turns out to be is planned when it comes. It cannot wait for others then: where it does
  /// not fit beside them, the turn ends with the category `busy`.
  /// - Throws: an error of the category `contextFull` where the conversation has no place for the turn, else as
  ///   ``Model/run(_:stop:events:)``.
  public func run(
    _ request: Request, stop: StopSignal = StopSignal(), events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Response {
    try RequestReporter.telling(conversation.model, events, stop) { reporter throws(VARLiteError) in
      try VARLiteError.wrapping { try conversation.answer(request, reporter) }
    }
  }

  /// Where a conversation stands between two turns.
  public struct Mark {
    let mark: Conversation.Mark
  }

  /// Where the conversation stands, to come back to.
  public var mark: Mark { Mark(mark: conversation.mark) }

  /// Forgets the turns after a mark of this session. Without any, it holds no memory.
  public func rewind(to mark: Mark) {
    conversation.rewind(to: mark.mark)
    conversation.endTurn()
  }
}
