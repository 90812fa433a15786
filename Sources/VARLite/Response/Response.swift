import VARKernels
import VARModels

/// What came of a request.
public struct Response: Sendable {
  /// Why a response ended. Later versions may know more reasons.
  public struct End: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The model ended its text.
    public static let finished = End(rawValue: "finished")
    /// A stop string came.
    public static let stopString = End(rawValue: "stopString")
    /// The limit of tokens, or the end of the context, cut the text.
    public static let length = End(rawValue: "length")
    /// The picture is drawn.
    public static let drawn = End(rawValue: "drawn")
    /// The caller asked to stop soon: what there is of the text or the picture is there.
    public static let stopped = End(rawValue: "stopped")
  }

  /// How many tokens went in and came out.
  public struct Usage: Sendable, Equatable {
    /// Tokens of the prompt, those of pictures included; in a session those of the turn.
    public var promptTokens = 0
    /// Tokens whose keys and values were there already, so that they were not read again: of the prompt, or in a
    /// session after its first turn those of the earlier turns.
    public var cachedTokens = 0
    /// Tokens of the prompt that stand for pictures.
    public var pictureTokens = 0
    /// Tokens that were written, the one that ended the text included.
    public var textTokens = 0
    /// Tokens of the picture that were drawn.
    public var drawnTokens = 0
  }

  /// The settings that the request ran with, defaults filled in.
  public struct Settings: Sendable, Equatable {
    /// Hash of the model's weights and metadata.
    public var model: String
    /// Type of the cached keys and values.
    public var kvType: KVType
    /// The seed of the picture where one is drawn, else of the text.
    public var seed: UInt64
    /// How the picture was drawn; nil where none was asked for.
    public var drawing: Drawing?

    /// How a picture was drawn.
    public struct Drawing: Sendable, Equatable {
      /// Guidance strength, temperature of the bits, and the bound on improbable ones, as in ``DrawingRequest``.
      public var cfgScale, tau, topP: Double
      /// Whether the more probable value of every bit was taken.
      public var isGreedy: Bool
      /// Scales, coarse to fine, that were guided, and those of which every token was read, of how many.
      public var guidedScaleCount, denseScaleCount, scaleCount: Int
    }
  }

  /// What the model wrote, without special tokens.
  public internal(set) var text = ""
  /// Tokens that were written, the one that ended the text included.
  public internal(set) var tokens: [Int32] = []
  /// The picture, where one was drawn.
  public internal(set) var picture: RGBImage?
  /// The drawing as a value, where one was begun: what it resumes from, and what variations share scales with.
  public internal(set) var drawing: DrawingState?
  /// Why it ended.
  public internal(set) var end = End.finished
  /// How many tokens went in and came out.
  public internal(set) var usage = Usage()
  /// What it ran with, defaults filled in.
  public let settings: Settings
  /// The words of the last message, as the picture's file tells them.
  public var prompt: String { asked.prompt }
  /// What the model was asked, as the picture's file tells it.
  let asked: PictureTexts.Asked
  /// What was planned before the request ran.
  public internal(set) var plan: RequestPlan
  /// Seconds of each stage, in the order in which the stages began.
  public internal(set) var timings: [(stage: Progress.Stage, seconds: Double)] = []
  /// Bits that the model drew, where others were forced.
  package internal(set) var ownBits: [[UInt8]] = []

  init(settings: Settings, asked: PictureTexts.Asked, plan: RequestPlan) {
    self.settings = settings
    self.asked = asked
    self.plan = plan
  }
}

extension Response {
  /// Texts for the picture's file: the program, the prompt, the seed, the settings, the model, and a hash of them and
  /// of the pixels. Empty where there is no picture.
  ///
  /// With the same model and these texts the same picture can be drawn again.
  public var pictureTexts: [(key: String, value: String)] {
    guard let picture, let drawing else { return [] }
    return PictureTexts(asked, drawing).entries(for: picture)
  }

  /// The picture.
  ///
  /// - Throws: an error of the category `nothingDrawn` where the decision to draw was the model's, and it did not.
  public func requiredPicture() throws(VARLiteError) -> RGBImage {
    guard let picture else {
      throw VARLiteError(.nothingDrawn, "the model answered without drawing")
    }
    return picture
  }
}
