import VARModels
import VARVision

/// The answer to a question.
public struct Answer: Sendable {
  /// What the model wrote, without special tokens.
  public let text: String
  /// Tokens of the prompt, pictures included.
  public let promptTokens: Int
  /// Tokens that were written, the one that ended the text included.
  public let tokens: [Int32]
  /// Whether the limit of tokens cut the text.
  public let isCut: Bool
  /// What was planned before the request ran.
  public let plan: RequestPlan
}

/// A drawn picture.
public struct Drawing: Sendable {
  /// The picture, 16 pixels per token of the last scale along each side.
  public let image: RGBImage
  /// What the model wrote before it drew.
  public let text: String
  public let promptTokens: Int
  /// Bits of each scale, coarse to fine: `[tokens, codebookDim]`.
  public let bits: [[UInt8]]
  /// Bits that the model drew; others than `bits` only where bits were forced.
  public let ownBits: [[UInt8]]
  /// What was planned before the request ran.
  public let plan: RequestPlan
}

extension VARGPT {
  /// Answers a question, with or without pictures.
  ///
  /// - Parameters:
  ///   - isCancelled: asked before every layer.
  ///   - events: called on the caller's thread as the answer grows.
  /// - Throws: `GenerationError`; `ImageError` for a picture that is too elongated; `ModelError` where weights cannot
  ///   be read or the request was cancelled.
  public func understand(
    _ prompt: Prompt, sampling: TextSampling = TextSampling(), pixels: PixelBounds = PixelBounds(),
    recorder: TraceRecorder? = nil, isCancelled: @escaping () -> Bool = { false },
    events: (GenerationEvent) -> Void = { _ in }
  ) throws -> Answer {
    try sampling.check()
    var options = Conversation.Options(maximumTextTokens: sampling.maximumTokens)
    options.bounds(pixels)
    let conversation = try Conversation(
      self, options: options, recorder: recorder, isCancelled: isCancelled)
    defer { conversation.endReading() }
    let plan = try conversation.append(prompt, events: events)
    let promptTokens = conversation.session?.ids.count ?? 0
    let written = try conversation.write(sampling, mayDraw: false, events: events)
    return Answer(
      text: written.text, promptTokens: promptTokens, tokens: written.ids,
      isCut: written.end == .length, plan: plan)
  }

  /// Draws a picture, from a text alone or as an edit of pictures in the prompt.
  ///
  /// The model writes a text of at most `text.maximumTokens` first. Where it starts no picture by then, it is made to
  /// draw behind its own words.
  /// - Parameters:
  ///   - forcesDrawing: draws at once, without a word.
  ///   - letsModelDecide: draws only where the model starts a picture by itself.
  ///   - forcedBits: bits that the picture consists of, per scale `[tokens, codebookDim]`, instead of drawn ones:
  ///     measures a model with the history forced.
  /// - Throws: `GenerationError` with `nothingDrawn` where the decision was the model's and it ended its text without
  ///   drawing; else as `understand`.
  public func draw(
    _ prompt: Prompt, options drawing: DrawingOptions = DrawingOptions(),
    text: TextSampling = TextSampling(maximumTokens: 128), forcesDrawing: Bool = false,
    letsModelDecide: Bool = false, pixels: PixelBounds = PixelBounds(),
    forcedBits: [[UInt8]]? = nil, recorder: TraceRecorder? = nil,
    isCancelled: @escaping () -> Bool = { false },
    events: (GenerationEvent) -> Void = { _ in }
  ) throws -> Drawing {
    try text.check()
    var options = Conversation.Options(
      drawing: drawing, maximumTextTokens: forcesDrawing ? 1 : text.maximumTokens)
    options.bounds(pixels)
    let conversation = try Conversation(
      self, options: options, recorder: recorder, isCancelled: isCancelled)
    defer { conversation.endReading() }
    let plan = try conversation.append(prompt, forcesDrawing: forcesDrawing, events: events)
    let promptTokens = conversation.session?.ids.count ?? 0
    var written = WrittenText()
    if !forcesDrawing {
      written = try conversation.write(text, mayDraw: true, events: events)
      if !letsModelDecide { try conversation.startPicture(after: &written) }
      guard written.end == .drawing else {
        throw GenerationError(.nothingDrawn, "the model answered without drawing")
      }
    }
    let (image, bits, ownBits) = try conversation.draw(forcedBits: forcedBits, events: events)
    return Drawing(
      image: image, text: written.text, promptTokens: promptTokens, bits: bits, ownBits: ownBits,
      plan: plan)
  }
}

extension Conversation.Options {
  fileprivate mutating func bounds(_ pixels: PixelBounds) {
    minimumPixels = pixels.minimum
    maximumPixels = pixels.maximum
  }
}
