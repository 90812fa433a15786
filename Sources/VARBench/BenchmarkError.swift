/// Why a benchmark cannot run.
public struct BenchmarkError: Error, Equatable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// An argument that no benchmark takes.
    case invalidRequest
    /// The system refused memory, threads or disk.
    case outOfMemory
  }
  public let code: Code
  public let detail: String

  init(_ code: Code, _ detail: String) {
    self.code = code
    self.detail = detail
  }

  public var description: String { detail }
}
