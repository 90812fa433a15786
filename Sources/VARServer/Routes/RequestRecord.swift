import VARJSON
import VARSystem

/// What is told of a request when it is answered: no word of what was asked.
package struct RequestRecord: Sendable {
  private let method: String
  private let path: String
  private let began = MonotonicClock.seconds()

  package init(_ head: RequestHead) {
    method = String(head.method.prefix(16))
    // Whoever knows the name of a job may fetch what came of it.
    let parts = head.path.split(separator: "/", omittingEmptySubsequences: false)
    let names = parts.map { JobID.isOne($0) ? JobID.short($0) : String($0) }
    path = String(names.joined(separator: "/").prefix(100))
  }

  /// A JSON object.
  ///
  /// - Parameters:
  ///   - status: of the answer; nil: the client left before its end.
  ///   - time: seconds since 1970.
  package func line(_ status: Int?, time: Int) -> String {
    let seconds = MonotonicClock.seconds() - began
    return JSONValue.object(
      JSONObject([
        ("time", .integer(time)), ("method", .string(method)),
        ("path", .string(path)), ("status", status.map { .integer($0) } ?? .null),
        ("seconds", .number((seconds * 1000).rounded() / 1000)),
      ])
    ).text
  }
}
