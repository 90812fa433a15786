import VARModels

/// What happens while a request runs. An event has one content; the other properties are nil.
///
///     model.run(request) { event in
///       if let text = event.text { print(text, terminator: "") }
///       if let preview = event.preview { show(preview.picture) }
///     }
///
/// Later versions may know more contents, which programs of today do not see.
public struct Event: Sendable {
  enum Content: Sendable {
    case plan(RequestPlan)
    case note(Note)
    case progress(Progress)
    case text(String)
    case scale(DrawnScale)
    case preview(Preview)
  }

  let content: Content

  init(_ content: Content) { self.content = content }

  /// What the request will take, before anything of it runs. A turn of a session that turns out to be a picture has a
  /// second plan.
  public var plan: RequestPlan? { if case .plan(let plan) = content { plan } else { nil } }
  /// Something that a person may want to know, said once.
  public var note: Note? { if case .note(let note) = content { note } else { nil } }
  /// How far the request is.
  public var progress: Progress? {
    if case .progress(let progress) = content { progress } else { nil }
  }
  /// More of the answer, in whole characters.
  public var text: String? { if case .text(let text) = content { text } else { nil } }
  /// A scale of the picture is drawn.
  public var scale: DrawnScale? { if case .scale(let scale) = content { scale } else { nil } }
  /// What the picture looks like so far.
  public var preview: Preview? {
    if case .preview(let preview) = content { preview } else { nil }
  }
}

/// A scale of a picture that is drawn.
public struct DrawnScale: Sendable {
  /// Its place in the schedule, from 0 on.
  public let index: Int
  /// Scales of the whole picture.
  public let count: Int
  /// The drawing up to this scale: what it resumes from.
  public let state: DrawingState
}

/// A picture of the scales that are drawn so far.
public struct Preview: Sendable {
  /// Scales that it shows.
  public let scaleCount: Int
  /// By the picture decoder: the picture in its final size, blurred as far as fine scales are missing. Quick ones have
  /// a pixel for each token.
  public let picture: RGBImage
  /// Whether it is a quick one.
  public let isQuick: Bool
}

/// Something about a request that is worth a line: it is answered, but perhaps not as it was meant.
public struct Note: Sendable, Equatable {
  /// What it is about. Later versions may know more kinds.
  public struct Kind: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A picture was made smaller to fit the number of tokens that a picture may have.
    public static let shrunkPicture = Kind(rawValue: "shrunkPicture")
    /// A picture with a side below that of a token was made larger.
    public static let enlargedPicture = Kind(rawValue: "enlargedPicture")
    /// A picture that the model looks at has a size that its training did not have.
    public static let unknownPictureSize = Kind(rawValue: "unknownPictureSize")
    /// The picture to draw has a size that the model's training did not have.
    public static let unknownDrawingSize = Kind(rawValue: "unknownDrawingSize")
    /// The context has no place for as long a text as was asked for.
    public static let limitedText = Kind(rawValue: "limitedText")
    /// Quick previews are asked for, and the model's file has no map for them: the picture decoder makes them.
    public static let decodedPreviews = Kind(rawValue: "decodedPreviews")
  }

  /// What it is about.
  public let kind: Kind
  /// The picture among those of the request, from 0 on; nil where the note is about none of them.
  public var picture: Int?
  /// The size of the file's picture.
  public var givenSize: PixelSize?
  /// The size that the model sees, or draws.
  public var size: PixelSize?
  /// Tokens of the picture, or of the text at most.
  public var tokenCount: Int?
  /// Sizes that the training had, by what the model's file says.
  public var knownSizes: [PixelSize]

  init(_ kind: Kind, tokenCount: Int? = nil) {
    self.kind = kind
    self.tokenCount = tokenCount
    knownSizes = []
  }
}
