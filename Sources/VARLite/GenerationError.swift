/// Why a request could not be answered.
public struct GenerationError: Error, Equatable, CustomStringConvertible {
  /// A stable name of the kind of failure.
  public enum Code: String, Sendable {
    /// The request contradicts itself or asks for what the model does not have.
    case invalidRequest
    /// The file cannot serve as a model, or lacks the part that the request needs.
    case unusableModel
    /// The conversation does not fit the context.
    case contextFull
    /// The system refused memory or threads.
    case outOfMemory
    /// The system does not tell how much memory it has, and the options name no budget.
    case memoryUnknown
    /// The model ended its text without drawing.
    case nothingDrawn
    /// The caller asked to stop.
    case cancelled
    /// A file could not be written.
    case cannotWrite
  }
  /// What kind of failure it is.
  public let code: Code
  /// One line: what was wrong and where.
  public let detail: String
  /// Changes each of which would help, by itself; empty where nothing would, nil where that is not known.
  public let remedies: [Remedy]?

  public init(_ code: Code, _ detail: String, remedies: [Remedy]? = nil) {
    self.code = code
    self.detail = detail
    self.remedies = remedies
  }

  public var description: String { detail }

  /// Throws `invalidRequest` unless `range` holds `value`.
  static func require<Value: Comparable>(
    _ value: Value, in range: ClosedRange<Value>, _ name: String
  ) throws(GenerationError) {
    guard range.contains(value) else {
      throw GenerationError(
        .invalidRequest, "\(name) \(value) is not within \(range.lowerBound)...\(range.upperBound)")
    }
  }
}
