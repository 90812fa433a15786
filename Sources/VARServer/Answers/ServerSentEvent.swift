import VARJSON

/// The lines of a stream of server-sent events.
enum ServerSentEvent {
  /// Seconds without an event after which a comment shows that the server is there.
  static let silenceSeconds = 10

  /// The line that ends every stream that is complete.
  static let done = Array("data: [DONE]\n\n".utf8)

  /// - Parameter name: of the event; nil: it has none.
  static func data(_ value: JSONValue, name: String? = nil) -> [UInt8] {
    Array(((name.map { "event: \($0)\n" } ?? "") + "data: \(value.text)\n\n").utf8)
  }

  /// What readers of events pass over.
  static func comment(_ text: String) -> [UInt8] { Array(": \(text)\n\n".utf8) }
}
