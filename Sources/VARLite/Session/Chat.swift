import VARModels
import VARVision

/// A conversation of many turns whose memory is kept from turn to turn.
///
/// Not for use from several tasks at once. A picture that the model has drawn is not shown to it in later turns.
public final class Chat {
  package let conversation: Conversation
  private var sampling: TextSampling
  /// Whether the model's file holds all that drawing takes.
  public let canDraw: Bool
  /// Tokens of the conversation so far.
  public var tokenCount: Int { conversation.session?.ids.count ?? 0 }

  /// - Parameters:
  ///   - contextTokens: text and picture tokens that the whole conversation may have; at most what the model reads.
  ///   - isCancelled: asked before every layer.
  /// - Throws: `GenerationError` with `invalidRequest` for options outside their ranges.
  public init(
    _ model: VARGPT, contextTokens: Int = 2048, drawing: DrawingOptions = DrawingOptions(),
    sampling: TextSampling = TextSampling(), isCancelled: @escaping () -> Bool = { false }
  ) throws {
    try sampling.check()
    try GenerationError.require(contextTokens, in: 1...Int.max, "context")
    self.sampling = sampling
    canDraw = model.canDraw
    let options = Conversation.Options(
      contextTokens: contextTokens, drawing: canDraw ? drawing : nil,
      maximumTextTokens: sampling.maximumTokens)
    conversation = try Conversation(model, options: options, isCancelled: isCancelled)
    if canDraw { _ = try drawing.drawing(model, weights: conversation.weights) }
  }

  /// What came of a turn.
  public struct Reply: Sendable {
    /// What the model wrote, without special tokens.
    public let text: String
    /// Tokens that were written, the one that ended the text included.
    public let tokenCount: Int
    /// The picture, where the model drew one.
    public let image: RGBImage?
  }

  /// Takes another seed for the turns that follow.
  public func reseed(_ seed: UInt64) {
    sampling.seed = seed
    conversation.reseed(seed)
  }

  /// Says something and lets the model answer; it may draw.
  ///
  /// A turn that fails or is cancelled leaves the conversation as it was before.
  /// - Parameters:
  ///   - forcesDrawing: the answer is a picture at once.
  ///   - drawsAfterText: the answer ends with a picture, whether the model starts one by itself or not.
  /// - Throws: `GenerationError` with `contextFull` where the conversation has no place for the turn, or as
  ///   `VARGPT.draw`.
  public func say(
    _ prompt: Prompt, forcesDrawing: Bool = false, drawsAfterText: Bool = false,
    events: (GenerationEvent) -> Void = { _ in }
  ) throws -> Reply {
    guard canDraw || !(forcesDrawing || drawsAfterText) else {
      throw GenerationError(.unusableModel, "the model holds no generator; it cannot draw")
    }
    let mark = conversation.mark
    defer { conversation.endReading() }
    do {
      return try answer(
        prompt, forcesDrawing: forcesDrawing, drawsAfterText: drawsAfterText, events)
    } catch {
      conversation.rewind(to: mark)
      throw error
    }
  }

  private func answer(
    _ prompt: Prompt, forcesDrawing: Bool, drawsAfterText: Bool,
    _ events: (GenerationEvent) -> Void
  ) throws -> Reply {
    try conversation.append(prompt, forcesDrawing: forcesDrawing, events: events)
    var written = WrittenText()
    written.end = .drawing
    if !forcesDrawing {
      written = try conversation.write(sampling, mayDraw: canDraw, events: events)
      if drawsAfterText { try conversation.startPicture(after: &written) }
    }
    let image =
      written.end == .drawing ? try conversation.draw(events: events).image : nil
    try conversation.endAnswer(
      pending: written.end == .drawing ? nil : written.ids.last, events: events)
    return Reply(text: written.text, tokenCount: written.ids.count, image: image)
  }
}
