import HTTPTypes
import VARJSON

/// What a client gets.
package struct Answer: Sendable {
  /// Takes one piece of an answer after the other; each is sent as it is.
  package typealias Sink = AsyncStream<[UInt8]>.Continuation

  /// What comes behind the head.
  package enum Body: Sendable {
    case whole([UInt8])
    /// Pieces as they come. What the closure throws ends the connection, so that the answer does not look whole.
    case pieces(@Sendable (Sink) async throws -> Void)
  }

  package let status: HTTPResponse.Status
  package var headers: HTTPFields
  package let body: Body

  /// A document.
  package init(_ value: JSONValue, status: HTTPResponse.Status = .ok) {
    self.status = status
    headers = [.contentType: "application/json"]
    body = .whole(Array((value.text + "\n").utf8))
  }

  /// An error.
  package init(_ error: APIError) {
    self.init(error.json, status: error.status)
    for field in error.headers { headers.append(field) }
  }

  /// Events as they come.
  init(events: @escaping @Sendable (Sink) async throws -> Void) {
    status = .ok
    // A proxy that collects an answer would hold the events back.
    headers = [
      .contentType: "text/event-stream", .cacheControl: "no-cache",
      HTTPField.Name("x-accel-buffering")!: "no",
    ]
    body = .pieces(events)
  }
}
