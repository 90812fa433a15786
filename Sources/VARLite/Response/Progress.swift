/// How far a request is.
public struct Progress: Sendable, Equatable {
  /// What runs now. Later versions may know more stages.
  public struct Stage: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The request waits for others to end. `total` others stood before it in the queue, `done` of them do no more.
    public static let waiting = Stage(rawValue: "waiting")
    /// Weights are read from the file before they are used: bytes.
    public static let loading = Stage(rawValue: "loading")
    /// The model looks at picture `index`: blocks of the vision tower.
    public static let looking = Stage(rawValue: "looking")
    /// The language model reads the prompt: tokens.
    public static let reading = Stage(rawValue: "reading")
    /// The language model writes.
    public static let writing = Stage(rawValue: "writing")
    /// A picture is drawn: scales. `index` is the scale that runs.
    public static let drawing = Stage(rawValue: "drawing")
    /// Codes become pixels: levels of the decoder.
    public static let decoding = Stage(rawValue: "decoding")
  }

  /// What runs now.
  public let stage: Stage
  /// The picture that is looked at, or the scale that is drawn, from 0 on.
  public var index: Int
  /// Units of the stage that are done, and all of them; the stage says which units.
  public var done, total: Int
  /// Layers of the networks that the present unit has gone through, and those that it has to go through.
  public var layer, layerCount: Int
  /// The share of the whole request's work that is done, 0...1. A text counts with as many tokens as it may have at
  /// most, until it ends.
  public var fraction: Double
  /// Seconds since the request began to run.
  public var seconds: Double

  /// Seconds that the rest takes, by what its parts take at the pace so far; nil where too little is done to say, and
  /// while words are written that a picture follows, whose number nobody knows.
  public var secondsLeft: Double?

  init(_ stage: Stage, index: Int = 0, done: Int = 0, total: Int = 0) {
    self.stage = stage
    self.index = index
    self.done = done
    self.total = total
    (layer, layerCount) = (0, 0)
    (fraction, seconds) = (0, 0)
  }
}
