/// Why a model cannot run or stopped.
package struct ModelError: Error, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// The file lacks a tensor that the configuration asks for.
    case missingTensor
    /// A tensor's shape, layout or type does not fit the configuration.
    case mismatchedTensor
    /// The weights could not be read.
    case unreadableWeights
    /// The system refused memory for decoded weights.
    case outOfMemory
    /// The request was cancelled.
    case cancelled
  }
  package let code: Code
  package let detail: String

  package init(_ code: Code, _ detail: String) {
    self.code = code
    self.detail = detail
  }

  package var description: String { detail }

  static let cancelled = ModelError(.cancelled, "interrupted")
}
