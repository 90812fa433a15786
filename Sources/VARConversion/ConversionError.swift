/// Why a checkpoint cannot be converted: the tensor or option, what is wrong, and what to do.
///
/// Faults inside files come as `CheckpointError`, recipes as `QuantizationError`, configurations as
/// `ConfigurationError` and the output as `VQ4Error`.
public struct ConversionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name of the fault.
  public struct Code: RawRepresentable, Equatable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The checkpoint lacks a tensor that the model needs.
    public static let missingTensor = Code(rawValue: "missingTensor")
    /// The checkpoint holds a tensor that the model does not have.
    public static let extraTensor = Code(rawValue: "extraTensor")
    /// A tensor's shape is not what the configuration asks for.
    public static let wrongShape = Code(rawValue: "wrongShape")
    /// A tensor's type holds no weights.
    public static let wrongType = Code(rawValue: "wrongType")
    /// An adapter changes one of two tensors that are the same one in this model.
    public static let tiedTensor = Code(rawValue: "tiedTensor")
    /// Weights are one value throughout, or zeros to the end of their file, as a stopped download leaves them.
    public static let zeroWeights = Code(rawValue: "zeroWeights")
    /// A norm, bias or folded constant is NaN or infinite.
    public static let notFinite = Code(rawValue: "notFinite")
    /// A file beside the weights is absent or holds an impossible value.
    public static let invalidMetadata = Code(rawValue: "invalidMetadata")
    /// The memory that was granted is not enough.
    public static let notEnoughMemory = Code(rawValue: "notEnoughMemory")
    /// The disk has not the room for the output.
    public static let notEnoughDisk = Code(rawValue: "notEnoughDisk")
    /// A stopped conversion stands beside the output, and the options do not say what is to become of it.
    public static let stoppedConversion = Code(rawValue: "stoppedConversion")
    /// The stopped conversion beside the output is another one.
    public static let otherConversion = Code(rawValue: "otherConversion")
    /// The journal of the conversion cannot be written.
    public static let journal = Code(rawValue: "journal")
    /// The output does not belong to the checkpoint.
    public static let differentModel = Code(rawValue: "differentModel")
    /// The caller asked to stop.
    public static let interrupted = Code(rawValue: "interrupted")
  }

  public let code: Code
  /// The tensor, file or option at fault.
  public let subject: String
  /// What is wrong, in one line.
  public let detail: String
  /// What to change; nil where the line says it.
  public let remedy: Remedy?

  public init(_ code: Code, _ subject: String, _ detail: String, remedy: Remedy? = nil) {
    self.code = code
    self.subject = subject
    self.detail = detail
    self.remedy = remedy
  }

  /// A change with which the conversion would be taken.
  public enum Remedy: Equatable, Sendable {
    /// Name the sources of these parts.
    case name([CheckpointParts.Part])
    /// Ask for fewer threads.
    case fewerThreads
    /// Grant this many bytes of memory.
    case grant(bytes: Int)
    /// Go on with what was stopped, or begin anew.
    case resumeOrStartAnew
    /// Begin anew.
    case startAnew
    /// Convert the weights as they are.
    case allowZeroWeights
  }

  public var description: String { "\(subject): \(detail)" }
}
