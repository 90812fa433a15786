import VARModels
import VARVision

/// A conversation of many turns whose memory is kept from turn to turn.
public final class Chat {
  private let conversation: Conversation
  private let drawing: DrawingOptions
  private let sampling: TextSampling
  /// Tokens of the conversation so far.
  public var tokenCount: Int { conversation.session?.ids.count ?? 0 }

  /// - Parameter contextTokens: text and picture tokens that the whole conversation may have.
  public init(
    _ model: VARGPT, contextTokens: Int = 2048, drawing: DrawingOptions = DrawingOptions(),
    sampling: TextSampling = TextSampling(), isCancelled: @escaping () -> Bool = { false }
  ) throws {
    self.drawing = drawing
    self.sampling = sampling
    let options = Conversation.Options(
      contextTokens: min(contextTokens, model.configuration.languageModel.maxPositionEmbeddings),
      drawing: drawing, maximumTextTokens: sampling.maximumTokens)
    conversation = try Conversation(model, options: options, isCancelled: isCancelled)
  }

  /// What came of a turn.
  public struct Reply: Sendable {
    public let text: String
    /// The picture, where the model drew one.
    public let image: RGBImage?
  }

  /// Says something and lets the model answer; it may draw.
  ///
  /// - Parameter forcesDrawing: the answer is a picture at once.
  public func say(
    _ prompt: Prompt, forcesDrawing: Bool = false, events: (GenerationEvent) -> Void = { _ in }
  ) throws -> Reply {
    try conversation.append(prompt, forcesDrawing: forcesDrawing, events: events)
    var written = WrittenText()
    written.end = .drawing
    if !forcesDrawing {
      written = try conversation.write(sampling, mayDraw: true, events: events)
    }
    let image =
      written.end == .drawing ? try conversation.draw(events: events).image : nil
    try conversation.endAnswer(pending: written.end == .drawing ? nil : written.ids.last)
    return Reply(text: written.text, image: image)
  }
}
