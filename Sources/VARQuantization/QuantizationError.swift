import VARJSON

/// Why a recipe cannot be used or a weight cannot be quantized.
package struct QuantizationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name of the fault.
  package struct Code: RawRepresentable, Equatable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// No built-in recipe has the name, or no file is there.
    package static let unknownRecipe = Code(rawValue: "unknownRecipe")
    /// The recipe is not JSON, or a member has the wrong type or an impossible value.
    package static let malformedRecipe = Code(rawValue: "malformedRecipe")
    /// A key that recipes do not have.
    package static let unknownKey = Code(rawValue: "unknownKey")
    /// A rule that is the first match of no weight.
    package static let unmatchedRule = Code(rawValue: "unmatchedRule")
    /// A weight that no rule matches.
    package static let unmatchedTensor = Code(rawValue: "unmatchedTensor")
    /// A rule whose `count` is not the number of weights that it decides.
    package static let wrongCount = Code(rawValue: "wrongCount")
    /// A weight that is NaN or infinite.
    package static let notFinite = Code(rawValue: "notFinite")
    /// A weight beyond the range of its precision.
    package static let tooLarge = Code(rawValue: "tooLarge")
  }

  package let code: Code
  /// The recipe or tensor at fault.
  package let subject: String
  /// What is wrong and what to do, in one line.
  package let detail: String

  package init(_ code: Code, _ subject: String, _ detail: String) {
    self.code = code
    self.subject = subject
    self.detail = detail
  }

  package var description: String { "\(subject): \(detail)".printable }
}
