/// Why an evaluation set cannot be used.
public struct EvaluationError: Error, Equatable, CustomStringConvertible {
  /// What went wrong; the raw values are stable.
  public enum Code: String, Sendable {
    /// A file of the set cannot be read.
    case unreadable
    /// `eval.json` or a template is not what the set's description asks for.
    case malformed
    /// A picture to judge has other extents than the set's.
    case wrongImageSize
  }

  public let code: Code
  /// The file in question, where there is one.
  public let path: String?
  /// What was wrong and what to do, on one line.
  public let detail: String

  public init(_ code: Code, path: String? = nil, _ detail: String) {
    self.code = code
    self.path = path
    self.detail = detail
  }

  public var description: String { path.map { "\($0): \(detail)" } ?? detail }
}
