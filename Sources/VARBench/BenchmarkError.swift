/// Why a benchmark cannot run.
package struct BenchmarkError: Error, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// An argument that no benchmark takes.
    case invalidRequest
    /// The system refused memory, threads or disk.
    case outOfMemory
  }
  package let code: Code
  package let detail: String

  init(_ code: Code, _ detail: String) {
    self.code = code
    self.detail = detail
  }

  package var description: String { detail }
}
