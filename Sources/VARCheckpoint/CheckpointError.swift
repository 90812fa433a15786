import VARJSON

/// Why a checkpoint cannot be read: what is wrong, in which file and tensor, and what to do.
package struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A stable name of the fault.
  package struct Code: RawRepresentable, Equatable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// A file is absent.
    package static let missingFile = Code(rawValue: "missingFile")
    /// A file cannot be opened or read.
    package static let unreadable = Code(rawValue: "unreadable")
    /// A file was cut or written to after it was opened.
    package static let changed = Code(rawValue: "changed")
    /// The file's name or first bytes belong to a format that is not read.
    package static let unsupportedFormat = Code(rawValue: "unsupportedFormat")
    /// The safetensors header's length is 0, above the limit, or passes the end of the file.
    package static let headerLength = Code(rawValue: "headerLength")
    /// The header or a JSON file is not valid JSON, or lacks what it must hold.
    package static let malformedJSON = Code(rawValue: "malformedJSON")
    /// A shape with a negative or an overflowing dimension, or too many of them.
    package static let invalidShape = Code(rawValue: "invalidShape")
    /// Offsets that are reversed, pass the end of the file, or disagree with shape and type.
    package static let invalidOffsets = Code(rawValue: "invalidOffsets")
    /// Two tensors share bytes.
    package static let overlap = Code(rawValue: "overlap")
    /// Bytes that belong to no tensor.
    package static let hole = Code(rawValue: "hole")
    /// A shard's name leads out of the checkpoint's directory.
    package static let unsafeShardName = Code(rawValue: "unsafeShardName")
    /// A tensor stands in two shards.
    package static let duplicateTensor = Code(rawValue: "duplicateTensor")
    /// The index names a tensor that its shard lacks.
    package static let missingTensor = Code(rawValue: "missingTensor")
    /// A zip archive's directory or headers contradict themselves or the file.
    package static let malformedArchive = Code(rawValue: "malformedArchive")
    /// A pickle that ends early or is none.
    package static let malformedPickle = Code(rawValue: "malformedPickle")
    /// A pickle that asks for an opcode or a constructor that state dicts do not need; nothing was executed.
    package static let refusedPickle = Code(rawValue: "refusedPickle")
    /// A file holds several groups of tensors, and nothing says which is meant.
    package static let ambiguousGroup = Code(rawValue: "ambiguousGroup")
    /// An adapter is of a kind that cannot be merged, or its configuration holds an impossible value.
    package static let unsupportedAdapter = Code(rawValue: "unsupportedAdapter")
    /// An adapter changes a module that the checkpoint does not have.
    package static let unmatchedTarget = Code(rawValue: "unmatchedTarget")
    /// Reading a header may take more memory than is granted.
    package static let headerOverBudget = Code(rawValue: "headerOverBudget")
    /// The system gave no memory.
    package static let notEnoughMemory = Code(rawValue: "notEnoughMemory")
    /// A number of an adapter is NaN or infinite.
    package static let notFinite = Code(rawValue: "notFinite")
  }

  package let code: Code
  /// The file at fault.
  package let path: String
  /// The tensor at fault, where there is one.
  package let tensor: String?
  /// What is wrong and what to do, in one line.
  package let detail: String

  package init(_ code: Code, path: String, tensor: String? = nil, _ detail: String) {
    self.code = code
    self.path = path
    self.tensor = tensor
    self.detail = detail
  }

  package var description: String {
    (tensor.map { "\(path): tensor \"\($0)\": \(detail)" } ?? "\(path): \(detail)").printable
  }
}
