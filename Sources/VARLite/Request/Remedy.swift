/// One change with which a request that was refused would be taken, by itself.
public struct Remedy: Sendable, Equatable {
  /// What to change. Later versions may know more kinds.
  public struct Kind: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Stream the weights: ``Residency/stream``.
    public static let streamedWeights = Kind(rawValue: "streamedWeights")
    /// Cache keys and values in int8.
    public static let int8Cache = Kind(rawValue: "int8Cache")
    /// Write this many tokens of text at most.
    public static let fewerTokens = Kind(rawValue: "fewerTokens")
    /// Draw a picture of as many pixels as a square with this side has.
    public static let smallerDrawing = Kind(rawValue: "smallerDrawing")
    /// Guide the coarse scales of a picture alone.
    public static let coarseGuidance = Kind(rawValue: "coarseGuidance")
    /// Draw with a CFG scale of 1, which is no guidance.
    public static let noGuidance = Kind(rawValue: "noGuidance")
    /// Look at pictures of this many pixels at most.
    public static let smallerPictures = Kind(rawValue: "smallerPictures")
    /// Grant the request this many bytes, which the system has.
    public static let largerBudget = Kind(rawValue: "largerBudget")
    /// Raise the limit on this process's memory by this many bytes.
    public static let higherLimit = Kind(rawValue: "higherLimit")
    /// Shrink the picture's file before it is decoded.
    public static let smallerPictureFile = Kind(rawValue: "smallerPictureFile")
    /// Take fewer threads.
    public static let fewerThreads = Kind(rawValue: "fewerThreads")
  }

  /// What to change.
  public let kind: Kind
  /// Tokens, pixels or bytes, as the kind says; 0 where it needs no number.
  public let value: Int

  /// - Parameter value: tokens, pixels or bytes, as the kind says.
  public init(_ kind: Kind, _ value: Int = 0) {
    self.kind = kind
    self.value = value
  }

  /// Whole MiB that are enough for a run which takes so many bytes, with what the program has: that differs a little
  /// from one run to the next.
  package static func budget(for byteCount: Int) -> Int {
    ((byteCount + (2 << 20) - 1) >> 20) << 20
  }
}
