/// Why a text is not acceptable JSON, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case syntax, duplicateKey, tooDeep, numberOutOfRange, invalidText, trailingBytes
    case missing, wrongType
    /// What the document would take in memory is out of proportion to its bytes.
    case tooLarge
    /// The text is plainly no JSON but something that stands there by mistake.
    case foreignContent
  }
  package let code: Code
  /// Offset of the offending byte in the text; 0 where the document itself is at fault.
  package let offsetBytes: Int
  package let detail: String

  package init(_ code: Code, at offsetBytes: Int = 0, _ detail: String) {
    self.code = code
    self.offsetBytes = offsetBytes
    self.detail = detail
  }

  package var description: String {
    (code == .foreignContent ? detail : "\(detail) (byte \(offsetBytes))").printable
  }
}
