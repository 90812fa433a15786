import VARModels

/// What a model is asked for: an answer, a picture, or both. The same value is planned, run, and run again.
///
/// A request that names no drawing is answered with text. The bytes of a response depend on the model's file, the
/// request and its seeds alone.
public struct Request: Sendable {
  /// The conversation up to the answer. In a ``ChatSession``, what is new since the last answer.
  public var messages: [Message]
  /// How the text of the answer is picked.
  public var text: TextSampling
  /// The picture to draw; nil where the answer is text alone.
  public var drawing: DrawingRequest?
  /// Pictures of fewer pixels are enlarged to this area before the model looks at them; nil takes the model's bound.
  public var minimumPicturePixels: Int?
  /// Pictures of more pixels are shrunk to this area; nil takes the model's bound, at most 576 tokens of 28 x 28.
  public var maximumPicturePixels: Int?
  /// Where weights are while the request runs; changes no result. nil takes the model's option.
  public var residency: Residency?
  /// Type of cached keys and values, which changes results a little; nil takes the model's option.
  public var kvType: KVType?
  /// What happens where the request would fit the memory, but not beside those that run.
  public var whenBusy: WhenBusy

  /// What becomes of a request that has to wait for others to end.
  public enum WhenBusy: Sendable, Equatable {
    /// It waits. Requests that wait start in the order in which they came.
    case waits
    /// It ends at once with an error of the category ``VARLiteError/Category/busy``.
    case isRefused
  }

  /// A conversation whose last message is the user's.
  public init(
    messages: [Message], text: TextSampling = TextSampling(), drawing: DrawingRequest? = nil
  ) {
    self.messages = messages
    self.text = text
    self.drawing = drawing
    whenBusy = .waits
  }

  /// A single user message: pictures, then a text.
  public init(
    _ text: String, pictures: [Picture] = [], sampling: TextSampling = TextSampling(),
    drawing: DrawingRequest? = nil
  ) {
    self.init(
      messages: [Message(.user, text, pictures: pictures)], text: sampling, drawing: drawing)
  }
}

extension Request {
  /// Pictures that a request may have.
  public static let maximumPictureCount = 1000

  /// All pictures that the model looks at, in their order.
  public var pictures: [Picture] { messages.flatMap(\.pictures) }

  /// Tokens of text to write at most: none but the start of the picture where it is drawn at once.
  var maximumTextTokens: Int {
    guard let drawing else { return text.maximumTokens ?? TextSampling.answerTokens }
    return drawing.start == .atOnce ? 1 : text.maximumTokens ?? TextSampling.captionTokens
  }

  var drawsAtOnce: Bool { drawing?.start == .atOnce }

  /// The request with a remedy in it; nil for a remedy that lies outside of the request, as a larger budget does.
  public func applying(_ remedy: Remedy) -> Request? {
    var changed = self
    switch remedy.kind {
    case .streamedWeights: changed.residency = .stream
    case .int8Cache: changed.kvType = .int8
    case .fewerTokens: changed.text.maximumTokens = remedy.value
    case .smallerPictures: changed.maximumPicturePixels = remedy.value
    case .coarseGuidance where drawing != nil: changed.drawing?.guidedScales = .coarse
    case .noGuidance where drawing != nil: changed.drawing?.cfgScale = 1
    case .smallerDrawing where drawing != nil:
      changed.drawing?.size = .pixels(remedy.value)
    default: return nil
    }
    return changed
  }
}
