import VARJSON
import VARLite

/// The documents of an answer of text: whole, or as events.
struct ChatAnswer: Sendable {
  private let id: String
  private let created: Int
  private let model: String
  private let seed: UInt64

  /// - Parameter id: tells the answer from others; nil: one that the system picks.
  init(model: String, created: Int, seed: UInt64, id: String? = nil) {
    self.id = "chatcmpl-" + (id ?? String(UInt64.random(in: 1 << 60...UInt64.max), radix: 36))
    self.model = model
    self.created = created
    self.seed = seed
  }

  func whole(_ response: Response) -> JSONValue {
    let message = JSONObject([
      ("role", .string("assistant")), ("content", .string(response.text)), ("refusal", .null),
    ])
    let choice = JSONObject([
      ("index", .integer(0)), ("message", .object(message)), ("logprobs", .null),
      ("finish_reason", .string(Self.reason(response.end))),
    ])
    return document(
      "chat.completion", choices: [.object(choice)], usage: Self.usage(response.usage))
  }

  /// The event that says who speaks.
  func first() -> [UInt8] {
    chunk([("role", .string("assistant")), ("content", .string(""))], reason: .null)
  }

  /// Events with more of the text: lines of a size that readers take.
  func more(_ text: String) -> [[UInt8]] {
    var rest = Substring(text)
    var events: [[UInt8]] = []
    while !rest.isEmpty {
      let piece = rest.prefix(4096)
      rest = rest.dropFirst(4096)
      events.append(chunk([("content", .string(String(piece)))], reason: .null))
    }
    return events
  }

  /// The event that says why the text ended.
  func last(_ response: Response) -> [UInt8] {
    chunk([], reason: .string(Self.reason(response.end)))
  }

  /// The event that says how many tokens it took.
  func usage(_ response: Response) -> [UInt8] {
    ServerSentEvent.data(
      document("chat.completion.chunk", choices: [], usage: Self.usage(response.usage)))
  }

  private func chunk(_ delta: [(String, JSONValue)], reason: JSONValue) -> [UInt8] {
    let choice = JSONObject([
      ("index", .integer(0)), ("delta", .object(JSONObject(delta))), ("logprobs", .null),
      ("finish_reason", reason),
    ])
    return ServerSentEvent.data(document("chat.completion.chunk", choices: [.object(choice)]))
  }

  private func document(
    _ kind: String, choices: [JSONValue], usage: JSONValue? = nil
  ) -> JSONValue {
    var members = JSONObject([
      ("id", .string(id)), ("object", .string(kind)), ("created", .integer(created)),
      ("model", .string(model)), ("choices", .array(choices)),
    ])
    if let usage {
      members["usage"] = usage
      members["seed"] = .integer(Int(seed))
    }
    return .object(members)
  }

  private static func reason(_ end: Response.End) -> String {
    end == .length ? "length" : "stop"
  }

  private static func usage(_ usage: Response.Usage) -> JSONValue {
    .object(
      JSONObject([
        ("prompt_tokens", .integer(usage.promptTokens)),
        ("completion_tokens", .integer(usage.textTokens)),
        ("total_tokens", .integer(usage.promptTokens + usage.textTokens)),
        (
          "prompt_tokens_details",
          .object(JSONObject([("cached_tokens", .integer(usage.cachedTokens))]))
        ),
      ]))
  }
}
