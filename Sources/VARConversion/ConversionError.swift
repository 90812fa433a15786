import VARJSON

/// Why a checkpoint cannot be converted: the tensor or option, what is wrong, and what to do.
///
/// Faults inside files come as `CheckpointError`, recipes as `QuantizationError`, configurations as
/// `ConfigurationError` and the output as `VQ4Error`.
package struct ConversionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name of the fault.
  package struct Code: RawRepresentable, Equatable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The checkpoint lacks a tensor that the model needs.
    package static let missingTensor = Code(rawValue: "missingTensor")
    /// The checkpoint holds a tensor that the model does not have.
    package static let extraTensor = Code(rawValue: "extraTensor")
    /// A tensor's shape is not what the configuration asks for.
    package static let wrongShape = Code(rawValue: "wrongShape")
    /// A tensor's type holds no weights.
    package static let wrongType = Code(rawValue: "wrongType")
    /// An adapter changes one of two tensors that are the same one in this model.
    package static let tiedTensor = Code(rawValue: "tiedTensor")
    /// Weights are one value throughout, or zeros to the end of their file, as a stopped download leaves them.
    package static let zeroWeights = Code(rawValue: "zeroWeights")
    /// A norm, bias or folded constant is NaN or infinite.
    package static let notFinite = Code(rawValue: "notFinite")
    /// A file beside the weights is absent or holds an impossible value.
    package static let invalidMetadata = Code(rawValue: "invalidMetadata")
    /// The memory that was granted is not enough.
    package static let notEnoughMemory = Code(rawValue: "notEnoughMemory")
    /// The disk has not the room for the output.
    package static let notEnoughDisk = Code(rawValue: "notEnoughDisk")
    /// A stopped conversion stands beside the output, and the options do not say what is to become of it.
    package static let stoppedConversion = Code(rawValue: "stoppedConversion")
    /// The stopped conversion beside the output is another one.
    package static let otherConversion = Code(rawValue: "otherConversion")
    /// The journal of the conversion cannot be written.
    package static let journal = Code(rawValue: "journal")
    /// A file that the conversion would write beside the output belongs to somebody else, or is read by it.
    package static let foreignFile = Code(rawValue: "foreignFile")
    /// The output does not belong to the checkpoint.
    package static let differentModel = Code(rawValue: "differentModel")
    /// The caller asked to stop.
    package static let interrupted = Code(rawValue: "interrupted")
  }

  package let code: Code
  /// The tensor, file or option at fault.
  package let subject: String
  /// What is wrong, in one line.
  package let detail: String
  /// What to change; nil where the line says it.
  package let remedy: Remedy?

  package init(_ code: Code, _ subject: String, _ detail: String, remedy: Remedy? = nil) {
    self.code = code
    self.subject = subject
    self.detail = detail
    self.remedy = remedy
  }

  /// A change with which the conversion would be taken.
  package enum Remedy: Equatable, Sendable {
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

  package var description: String { "\(subject): \(detail)".printable }
}
