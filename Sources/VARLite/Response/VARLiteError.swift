import VARJSON
import VARModels
import VARTokenizer
import VARVision
import VQ4Format

/// Why a model cannot be opened or a request cannot be answered.
public struct VARLiteError: Error, Equatable, CustomStringConvertible {
  /// What kind of failure it is. Later versions may know more kinds.
  public struct Category: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The request contradicts itself, or asks for what the model does not have.
    public static let request = Category(rawValue: "request")
    /// The conversation does not fit the context of the model or of the session.
    public static let contextFull = Category(rawValue: "contextFull")
    /// The file is damaged, is no model, or lacks the part that the request needs.
    public static let model = Category(rawValue: "model")
    /// A picture cannot be read.
    public static let picture = Category(rawValue: "picture")
    /// The request does not fit the memory, or the system refused memory or threads.
    public static let memory = Category(rawValue: "memory")
    /// The system does not tell how much memory it has, and the runtime's options name no budget.
    public static let memoryUnknown = Category(rawValue: "memoryUnknown")
    /// The request fits, but not beside those that run, and was not to wait.
    public static let busy = Category(rawValue: "busy")
    /// A file could not be written.
    public static let file = Category(rawValue: "file")
    /// The caller asked to stop.
    public static let cancelled = Category(rawValue: "cancelled")
    /// The decision to draw was the model's, and it ended its text without drawing.
    public static let nothingDrawn = Category(rawValue: "nothingDrawn")
    /// The runtime was closed, or belongs to the process that this one was forked from.
    public static let closed = Category(rawValue: "closed")
  }

  /// What kind of failure it is.
  public let category: Category
  /// One line: what was wrong, where, and what was expected.
  public let detail: String
  /// Changes each of which would help, by itself; empty where nothing would, nil where that is not known.
  public let remedies: [Remedy]?

  /// - Parameter detail: one line.
  public init(_ category: Category, _ detail: String, remedies: [Remedy]? = nil) {
    self.category = category
    self.detail = detail
    self.remedies = remedies
  }

  /// ``detail``.
  public var description: String { detail.printable }
}

extension VARLiteError {
  /// Throws `request` unless `range` holds `value`.
  static func require<Value: Comparable>(
    _ value: Value, in range: ClosedRange<Value>, _ name: String
  ) throws(VARLiteError) {
    guard range.contains(value) else {
      throw VARLiteError(
        .request, "\(name) \(value) is not within \(range.lowerBound)...\(range.upperBound)")
    }
  }

  static func noMemory(_ byteCount: Int) -> VARLiteError {
    VARLiteError(.memory, "the system gave no \(byteCount) bytes")
  }

  static let cancelled = VARLiteError(.cancelled, "interrupted")

  /// What a lower layer threw, in the words of this one.
  package init(_ error: any Error) {
    switch error {
    case let error as VARLiteError: self = error
    case let error as ImageError where error.code == .outOfMemory:
      self.init(.memory, "\(error)", remedies: [Remedy(.smallerPictureFile)])
    case is ImageError: self.init(.picture, "\(error)")
    case let error as ModelError:
      switch error.code {
      case .cancelled: self = .cancelled
      case .outOfMemory: self.init(.memory, "\(error)")
      case .missingTensor, .mismatchedTensor, .unreadableWeights: self.init(.model, "\(error)")
      }
    case let error as VQ4Error: self.init(error.isOutOfMemory ? .memory : .model, "\(error)")
    // Configuration, tokenizer and JSON: all of them are parts of the model's file.
    default: self.init(.model, "\(error)")
    }
  }

  /// Does something whose errors are those of lower layers.
  static func wrapping<Result>(_ body: () throws -> Result) throws(VARLiteError) -> Result {
    do { return try body() } catch { throw VARLiteError(error) }
  }
}
