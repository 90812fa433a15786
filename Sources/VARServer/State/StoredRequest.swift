import VARJSON
import VARLite

/// A job as it was asked for, to be stored.
struct StoredRequest {
  let id: String
  /// In seconds since 1970.
  let created: Int
  /// Jobs are started again in this order.
  var order = 0
  let seed: UInt64
  let model: StoredModel
  let contentType: String
  let body: [UInt8]
  /// What a variation begins like.
  let original: OriginalDrawing?

  init(
    _ job: KeptJob, _ asked: JobBody, _ body: [UInt8], _ head: RequestHead, _ model: StoredModel
  ) {
    id = job.id
    created = job.created
    seed = job.seed
    self.model = model
    contentType = head["content-type"] ?? "application/json"
    self.body = body
    if case .images(let asked) = asked.work {
      original = asked.variation?.original
    } else {
      original = nil
    }
  }

  var record: StateRecord {
    var header = JSONObject(
      [
        ("id", .string(id)), ("created", .integer(created)), ("order", .integer(order)),
        ("seed", .integer(Int(seed))), ("content_type", .string(contentType)),
      ] + model.members)
    guard let original else { return StateRecord(header, parts: [body]) }
    header["original_prompt"] = .string(original.prompt)
    header["original_size"] = .string(original.size)
    return StateRecord(header, parts: [body, original.state.serialized])
  }

  /// - Throws: `StateRecord.Damage` for what no job was stored as.
  init(_ record: StateRecord) throws {
    let header = record.header
    guard let id = header["id"]?.stringValue, JobID.isOne(id),
      let created = header["created"]?.integerValue, StateRecord.counts.contains(created),
      let order = header["order"]?.integerValue, StateRecord.counts.contains(order),
      let seed = header["seed"]?.integerValue, seed >= 0, let model = StoredModel(header),
      let contentType = header["content_type"]?.stringValue, let body = record.parts.first
    else { throw StateRecord.Damage("its header is not complete") }
    self.id = id
    self.created = created
    self.order = order
    self.seed = UInt64(seed)
    self.model = model
    self.contentType = contentType
    self.body = body
    if let prompt = header["original_prompt"]?.stringValue,
      let size = header["original_size"]?.stringValue, record.parts.count > 1
    {
      original = OriginalDrawing(
        prompt: prompt, state: try DrawingState(serialized: record.parts[1]), size: size)
    } else {
      original = nil
    }
  }

  /// What the job does.
  func jobBody() throws(APIError) -> JobBody {
    let head = RequestHead(
      method: "POST", target: "/", authority: nil,
      fields: [(name: "content-type", value: contentType)])
    return try JobBody(body, head, seed: seed) { id throws(APIError) in
      guard let original else { throw .unknownJob(id) }
      return original
    }
  }
}
