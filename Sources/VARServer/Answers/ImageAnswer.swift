import VARJSON
import VARLite

/// The documents of an answer of pictures: whole, or as events.
struct ImageAnswer: Sendable {
  private let created: Int
  private let format: ImageRequest.Format
  /// How names of events begin.
  private let kind: String
  private let seed: UInt64

  init(_ request: ImageRequest, created: Int) {
    self.created = created
    format = request.format
    kind = request.sources.isEmpty ? "image_generation" : "image_edit"
    seed = request.seed
  }

  func whole(_ responses: [Response]) throws -> JSONValue {
    let files = try responses.map { Base64.text(try file($0)) }
    return Self.filled(try document(responses)) { ("b64_json", files[$0]) }
  }

  /// The answer's document with what stands for each picture in it.
  static func filled(
    _ document: JSONObject, _ picture: (Int) -> (name: String, text: String)
  ) -> JSONValue {
    var document = document
    let entries = (document["data"]?.arrayValue ?? []).enumerated().map { index, entry in
      let (name, text) = picture(index)
      return JSONValue.object(
        JSONObject(
          [(name, .string(text))] + (entry.objectValue?.members ?? []).map { ($0.key, $0.value) }))
    }
    document["data"] = .array(entries)
    return .object(document)
  }

  /// The answer's document without what stands for the pictures.
  func document(_ responses: [Response]) throws -> JSONObject {
    let data = responses.map { response in
      JSONValue.object(JSONObject([("seed", .integer(Int(response.settings.seed)))]))
    }
    var members = JSONObject([("created", .integer(created)), ("data", .array(data))])
    for (name, value) in try common(responses[0].requiredPicture()) { members[name] = value }
    members["usage"] = Self.usage(responses.map(\.usage))
    members["seed"] = .integer(Int(seed))
    return members
  }

  /// A picture that is not finished.
  func partial(_ picture: RGBImage, index: Int) throws -> [UInt8] {
    let bytes =
      switch format {
      case .png: try picture.png()
      case .jpeg(let quality): try picture.jpeg(quality: quality)
      }
    return try event(
      "partial_image", picture,
      [("b64_json", .string(Base64.text(bytes))), ("partial_image_index", .integer(index))])
  }

  func completed(_ response: Response) throws -> [UInt8] {
    try event(
      "completed", response.requiredPicture(),
      [
        ("b64_json", .string(Base64.text(file(response)))), ("usage", Self.usage([response.usage])),
        ("seed", .integer(Int(response.settings.seed))),
      ])
  }

  private func event(
    _ name: String, _ picture: RGBImage, _ members: [(String, JSONValue)]
  ) throws -> [UInt8] {
    let type = "\(kind).\(name)"
    let object = JSONObject(
      [("type", .string(type)), ("created_at", .integer(created))] + members + common(picture))
    return ServerSentEvent.data(.object(object), name: type)
  }

  private func common(_ picture: RGBImage) -> [(String, JSONValue)] {
    [
      ("background", .string("opaque")), ("output_format", .string(format.name)),
      ("quality", .string("auto")), ("size", .string("\(picture.width)x\(picture.height)")),
    ]
  }

  /// The picture's file, which tells how it was drawn.
  func file(_ response: Response) throws -> [UInt8] {
    switch format {
    case .png: try response.png()
    case .jpeg(let quality): try response.jpeg(quality: quality)
    }
  }

  private static func usage(_ usages: [Response.Usage]) -> JSONValue {
    let read = usages.reduce(0) { $0 + $1.promptTokens }
    let seen = usages.reduce(0) { $0 + $1.pictureTokens }
    let written = usages.reduce(0) { $0 + $1.textTokens + $1.drawnTokens }
    return .object(
      JSONObject([
        ("input_tokens", .integer(read)),
        (
          "input_tokens_details",
          .object(
            JSONObject([
              ("image_tokens", .integer(seen)),
              ("text_tokens", .integer(read - seen)),
            ]))
        ),
        ("output_tokens", .integer(written)),
        ("total_tokens", .integer(read + written)),
      ]))
  }
}
