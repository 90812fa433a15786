import VARJSON

/// Why a picture cannot be read, prepared or written.
package struct ImageError: Error, Equatable, CustomStringConvertible {
  /// What went wrong; the raw values are stable.
  package enum Code: String, Sendable {
    /// The file cannot be opened or read.
    case unreadable
    /// The content is neither PNG nor JPEG nor WebP.
    case unknownFormat
    /// The file ends early.
    case truncated
    /// The content is damaged.
    case corrupt
    /// A valid file of a kind that is not handled.
    case unsupported
    /// More pixels or bytes than ``ImageLimits`` allows.
    case tooLarge
    /// The picture is too elongated for the patches.
    case tooSmall
    /// The memory for the picture cannot be had.
    case outOfMemory
    /// The pre-processing settings are malformed or not handled.
    case invalidSettings
    /// A text that cannot stand in a picture's file.
    case invalidText
    /// The file cannot be written.
    case notWritable
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

  /// The same failure, told of a file.
  package func at(_ path: String?) -> ImageError {
    ImageError(code, path: path ?? self.path, detail)
  }

  package var description: String {
    (path.map { "\($0): \(detail)" } ?? detail).printable
  }
}
