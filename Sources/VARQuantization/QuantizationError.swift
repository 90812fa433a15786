/// Why a recipe cannot be used or a weight cannot be quantized.
public struct QuantizationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name of the fault.
  public struct Code: RawRepresentable, Equatable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// No built-in recipe has the name, or no file is there.
    public static let unknownRecipe = Code(rawValue: "unknownRecipe")
    /// The recipe is not JSON, or a member has the wrong type or an impossible value.
    public static let malformedRecipe = Code(rawValue: "malformedRecipe")
    /// A key that recipes do not have.
    public static let unknownKey = Code(rawValue: "unknownKey")
    /// A rule that is the first match of no weight.
    public static let unmatchedRule = Code(rawValue: "unmatchedRule")
    /// A weight that no rule matches.
    public static let unmatchedTensor = Code(rawValue: "unmatchedTensor")
    /// A rule whose `count` is not the number of weights that it decides.
    public static let wrongCount = Code(rawValue: "wrongCount")
    /// A weight that is NaN or infinite.
    public static let notFinite = Code(rawValue: "notFinite")
    /// A weight beyond the range of its precision.
    public static let tooLarge = Code(rawValue: "tooLarge")
  }

  public let code: Code
  /// The recipe or tensor at fault.
  public let subject: String
  /// What is wrong and what to do, in one line.
  public let detail: String

  public init(_ code: Code, _ subject: String, _ detail: String) {
    self.code = code
    self.subject = subject
    self.detail = detail
  }

  public var description: String { "\(subject): \(detail)" }
}
