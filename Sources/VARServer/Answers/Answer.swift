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

  package let status: Int
  package let headers: [(name: String, value: String)]
  package let body: Body

  /// A document.
  init(
    _ value: JSONValue, status: Int = 200, headers: [(name: String, value: String)] = []
  ) {
    self.status = status
    self.headers = Self.jsonHeaders + headers
    body = .whole(Self.bytes(value))
  }

  private static let jsonHeaders = [(name: "content-type", value: "application/json")]

  private static func bytes(_ value: JSONValue) -> [UInt8] { Array((value.text + "\n").utf8) }

  /// A text.
  init(text: String, type: String) {
    status = 200
    headers = [(name: "content-type", value: type)]
    body = .whole(Array(text.utf8))
  }

  /// A file.
  ///
  /// - Parameter headers: beside its type; a picture of a job may change.
  init(
    file: [UInt8], type: String,
    headers: [(name: String, value: String)] = [(name: "cache-control", value: "no-store")]
  ) {
    status = 200
    self.headers = [(name: "content-type", value: type)] + headers
    body = .whole(file)
  }

  /// An error.
  package init(_ error: APIError) {
    status = error.status
    headers = Self.jsonHeaders + error.headers
    body = .whole(Self.bytes(error.json))
  }

  /// Events as they come.
  init(events: @escaping @Sendable (Sink) async throws -> Void) {
    status = 200
    // A proxy that collects an answer would hold the events back.
    headers = [
      (name: "content-type", value: "text/event-stream"),
      (name: "cache-control", value: "no-cache"), (name: "x-accel-buffering", value: "no"),
    ]
    body = .pieces(events)
  }
}
