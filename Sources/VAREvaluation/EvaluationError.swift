import VARJSON

/// Why an evaluation set cannot be used.
package struct EvaluationError: Error, Equatable, CustomStringConvertible {
  /// What went wrong; the raw values are stable.
  package enum Code: String, Sendable {
    /// A file of the set cannot be read.
    case unreadable
    /// `eval.json` or a template is not what the set's description asks for.
    case malformed
    /// A picture to judge has other extents than the set's.
    case wrongImageSize
  }

  package let code: Code
  /// The file in question, where there is one.
  package let path: String?
  /// What was wrong and what to do, on one line.
  package let detail: String

  package init(_ code: Code, path: String? = nil, _ detail: String) {
    self.code = code
    self.path = path
    self.detail = detail
  }

  package var description: String {
    (path.map { "\($0): \(detail)" } ?? detail).printable
  }
}
