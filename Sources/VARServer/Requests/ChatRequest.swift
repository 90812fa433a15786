import VARJSON
import VARLite

/// The body of a request for an answer of text.
struct ChatRequest {
  /// The model that is asked; nil: any.
  let model: String?
  let request: Request
  /// Whether the answer is a stream of events.
  let isStream: Bool
  /// Whether the stream tells in the end how many tokens it took.
  let includesUsage: Bool

  init(_ fields: Fields) throws(APIError) {
    try Self.refuseWhatIsNotThere(fields)
    model = try fields.text("model")
    isStream = try fields.flag("stream") ?? false
    if let options = fields["stream_options"] {
      guard options.objectValue != nil else {
        throw .invalid("stream_options", "stream_options is not an object")
      }
      includesUsage = options["include_usage"] == .bool(true)
    } else {
      includesUsage = false
    }
    var sampling = TextSampling(
      temperature: try fields.number("temperature", in: 0...100) ?? 0,
      topP: try fields.number("top_p", in: 0...1) ?? 1, seed: try fields.seed(),
      maximumTokens: try Self.maximumTokens(fields))
    sampling.stopStrings = try Self.stopStrings(fields)
    request = Request(messages: try ChatMessages.read(fields["messages"]), text: sampling)
  }

  private static func maximumTokens(_ fields: Fields) throws(APIError) -> Int? {
    let range = 1...1_000_000
    let newer = try fields.integer("max_completion_tokens", in: range)
    let older = try fields.integer("max_tokens", in: range)
    return newer ?? older
  }

  private static func stopStrings(_ fields: Fields) throws(APIError) -> [String] {
    guard let value = fields["stop"] else { return [] }
    let texts = value.arrayValue ?? [value]
    let strings = texts.compactMap(\.stringValue)
    guard strings.count == texts.count, strings.count <= 16, !strings.contains("") else {
      throw .invalid("stop", "stop is a text, or a list of up to 16 texts, none of them empty")
    }
    return strings
  }

  /// Fields that would change the answer's form, which is text.
  private static func refuseWhatIsNotThere(_ fields: Fields) throws(APIError) {
    if let count = try fields.integer("n", in: 0...1024), count != 1 {
      throw .unsupported("n", "one answer is given per request; n is 1")
    }
    for name in ["tools", "functions"] {
      if let list = fields[name], list.arrayValue?.isEmpty != true {
        throw .unsupported(name, "the model calls no \(name)")
      }
    }
    if let format = fields["response_format"], format["type"] != .string("text") {
      throw .unsupported("response_format", "answers are plain text, without a schema")
    }
    if fields["logprobs"] == .bool(true) {
      throw .unsupported("logprobs", "probabilities of tokens are not told")
    }
    if let kinds = fields["modalities"], kinds != .array([.string("text")]) {
      throw .unsupported("modalities", "answers are text; draw with /v1/images/generations")
    }
  }
}
