import VARJSON
import VARLite

/// The body of a request for a job: what the route of the same kind takes, and which kind it is.
package struct JobBody: Sendable {
  /// What a job does.
  package enum Kind: String, Sendable, CaseIterable {
    case generation = "image.generation"
    case edit = "image.edit"
    case chat
  }

  enum Work: Sendable {
    case chat(ChatRequest)
    case images(ImageRequest)
  }

  package let kind: Kind
  let work: Work
  /// What the text or the first picture is picked with.
  let seed: UInt64

  /// - Parameters:
  ///   - seed: that of an earlier reading of the body; nil: the body's own, else one that the system picks.
  ///   - original: finds the drawing of the job that a variation begins like.
  init(
    _ body: [UInt8], _ head: RequestHead, seed: UInt64? = nil,
    original: (_ id: String) throws(APIError) -> OriginalDrawing
  ) throws(APIError) {
    let form = EditBody.isForm(head) ? try EditBody(body, head) : nil
    let given = if let form { form.fields } else { try Fields(json: body) }
    let kind = try Self.kind(given, isForm: form != nil)
    if try given.flag("stream") == true {
      throw .unsupported("stream", "a job has no stream; ask for its state whenever you like")
    }
    let seed = if let seed { seed } else { try given.seed() }
    let fields = given.setting("seed", to: .integer(Int(seed)))
    switch kind {
    case .chat: work = .chat(try ChatRequest(fields))
    case .edit:
      let edit = if let form { form } else { try EditBody(fields) }
      work = .images(try ImageRequest(fields, sources: edit.sources))
    case .generation: work = .images(try Self.drawing(fields, original))
    }
    self.kind = kind
    self.seed = seed
  }

  /// The model that is asked; nil: any.
  var modelName: String? {
    switch work {
    case .chat(let asked): asked.model
    case .images(let asked): asked.model
    }
  }

  /// What runs first.
  func firstRequest(_ served: ServedModel) throws(APIError) -> Request {
    switch work {
    case .chat(let asked): asked.request
    case .images(let asked): try asked.request(0, served)
    }
  }

  /// Reads a body as the server does; variations are refused.
  ///
  /// - Throws: `APIError` for a body that no job can be made of.
  package init(_ body: [UInt8], contentType: String) throws(APIError) {
    let head = RequestHead(
      method: "POST", target: "/", authority: nil,
      fields: [(name: "content-type", value: contentType)])
    try self.init(body, head) { id throws(APIError) in throw .unknownJob(id) }
  }

  private static func kind(_ fields: Fields, isForm: Bool) throws(APIError) -> Kind {
    guard let kind = try fields.text("type").flatMap(Kind.init(rawValue:)) else {
      let list = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalid("type", "type says what the job does: \(list)")
    }
    if isForm, kind != .edit {
      throw .invalid("type", "a form asks for image.edit; send JSON for \(kind.rawValue)")
    }
    return kind
  }

  /// A drawing, or a variation of an earlier one.
  private static func drawing(
    _ fields: Fields, _ original: (_ id: String) throws(APIError) -> OriginalDrawing
  ) throws(APIError) -> ImageRequest {
    guard let id = try fields.text("like") else {
      if fields["keep_scales"] != nil {
        throw .invalid("keep_scales", "keep_scales needs like: the job whose scales are kept")
      }
      return try ImageRequest(fields, sources: nil)
    }
    let original = try original(id)
    let counts = 0...original.state.schedule.scales.count
    guard let kept = try fields.integer("keep_scales", in: counts) else {
      throw .invalid("keep_scales", "keep_scales is missing: how many scales are the same?")
    }
    if let prompt = try fields.text("prompt"), prompt != original.prompt {
      throw .invalid("prompt", "a variation has the prompt of its original; leave prompt out")
    }
    if let size = try fields.text("size"), !["", "auto", original.size].contains(size) {
      throw .invalid("size", "a variation has the size of its original, \(original.size)")
    }
    var asked = try ImageRequest(
      fields.setting("prompt", to: .string(original.prompt)), sources: nil)
    asked.variation = (original, kept)
    return asked
  }
}

extension APIError {
  /// There is no such job, or it is forgotten.
  static func unknownJob(_ id: some StringProtocol) -> APIError {
    APIError(
      404, "there is no job \(id.prefix(64)): it was never there, or is forgotten",
      code: "job_not_found")
  }
}
