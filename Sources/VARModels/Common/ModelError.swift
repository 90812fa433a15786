import VARJSON
import VARSystem
import VQ4Format

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

  package var description: String { detail.printable }

  package static let cancelled = ModelError(.cancelled, "interrupted")

  /// A file that cannot be read.
  init(reading error: VQ4Error) {
    self.init(error.isOutOfMemory ? .outOfMemory : .unreadableWeights, "\(error)")
  }

  /// Runs `body`, which reads a file.
  static func reading(_ body: () throws(VQ4Error) -> Void) throws(ModelError) {
    do throws(VQ4Error) {
      try body()
    } catch {
      throw ModelError(reading: error)
    }
  }
}

extension AnonymousMemory {
  /// - Throws: `outOfMemory`.
  static func forWeights(_ byteCount: Int) throws(ModelError) -> AnonymousMemory {
    guard let memory = AnonymousMemory(byteCount: byteCount) else {
      throw ModelError(.outOfMemory, "no memory for \(byteCount) bytes of weights")
    }
    return memory
  }
}
