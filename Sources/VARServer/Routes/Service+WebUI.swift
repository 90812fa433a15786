import Synchronization
import VARJSON
import VARLite

/// What the web UI of Stable Diffusion has one of: a model, and a picture that is drawn.
final class WebUIState: Sendable {
  let model = Mutex<String?>(nil)
  let job = Mutex<Job?>(nil)
}

extension Service {
  /// Answers as the web UI of Stable Diffusion does. Steps, samplers, guidance and what is not wanted are passed over.
  func answer(_ route: WebUIRoute, _ head: RequestHead, body: [UInt8]) async throws -> Answer {
    switch route {
    case .options:
      let id = try catalog().model(webUI.model.withLock { $0 }).id
      return Answer(.object(JSONObject([("sd_model_checkpoint", .string(id))])))
    case .setOptions:
      if let name = try Fields(json: body).text("sd_model_checkpoint") {
        let id = try catalog().model(name).id
        webUI.model.withLock { $0 = id }
      }
      return Answer(.null)
    case .models:
      return Answer(
        .array(
          try catalog().models.map { served in
            .object(
              JSONObject([
                ("title", .string(served.id)), ("model_name", .string(served.id)),
                ("filename", .string(served.id)), ("hash", .null), ("sha256", .null),
                ("config", .null),
              ]))
          }))
    case .drawing, .edit:
      let fields = try Fields(json: body)
      let chosen = fields["override_settings"]?["sd_model_checkpoint"]?.stringValue
      let served = try catalog().model(chosen ?? webUI.model.withLock { $0 })
      return try await drawn(fields.asked(of: served, isEdit: route == .edit), served, head)
    case .progress:
      return Answer(try await progress(showsPicture: head.query("skip_current_image") != "true"))
    }
  }

  private func drawn(
    _ asked: ImageRequest, _ served: ServedModel, _ head: RequestHead
  ) async throws -> Answer {
    var requests: [Request] = []
    for index in 0..<asked.count {
      requests.append(JobDesk.watched(try asked.request(index, served), served.model))
    }
    let ticket = try desk.runner.admit(requests[0], served, head)
    defer {
      ticket.leave()
      webUI.job.withLock { $0 = nil }
    }
    var files: [JSONValue] = []
    for request in requests {
      let response = try await desk.runner.response(
        request, served.model, ticket, start: { job in webUI.job.withLock { $0 = job } })
      files.append(
        .string(try await desk.runner.encoder.result { Base64.text(try response.png()) }))
    }
    let seeds = requests.map { JSONValue.integer(Int($0.text.seed)) }
    let info = JSONValue.object(
      JSONObject([
        ("prompt", .string(asked.prompt)), ("seed", seeds[0]), ("all_seeds", .array(seeds)),
        ("sd_model_name", .string(served.id)),
      ]))
    return Answer(
      .object(
        JSONObject([
          ("images", .array(files)), ("parameters", .object(JSONObject([]))),
          ("info", .string(info.text)),
        ])))
  }

  private func progress(showsPicture: Bool) async throws -> JSONValue {
    let snapshot = webUI.job.withLock { $0 }?.snapshot
    let progress = snapshot?.progress
    let picture = showsPicture ? snapshot?.preview?.picture : nil
    let preview = try await desk.runner.encoder.result { try picture?.png() }
    let isDrawing = progress?.stage == .drawing
    return .object(
      JSONObject([
        ("progress", .number(progress?.fraction ?? 0)),
        ("eta_relative", .number(progress?.secondsLeft ?? 0)),
        (
          "state",
          .object(
            JSONObject([
              ("skipped", .bool(false)), ("interrupted", .bool(false)),
              ("stopping_generation", .bool(false)),
              ("job", .string(snapshot == nil ? "" : "picture")),
              ("job_count", .integer(queue.runningCount + queue.waitingCount)),
              ("job_no", .integer(0)),
              ("sampling_step", .integer(isDrawing ? progress?.done ?? 0 : 0)),
              ("sampling_steps", .integer(isDrawing ? progress?.total ?? 0 : 0)),
            ]))
        ),
        ("current_image", preview.map { .string(Base64.text($0)) } ?? .null), ("textinfo", .null),
      ]))
  }
}

extension Fields {
  /// The pictures that are asked for, in the words of `/v1/images`.
  fileprivate func asked(of served: ServedModel, isEdit: Bool) throws(APIError) -> ImageRequest {
    let count = try (integer("batch_size", in: 1...10) ?? 1) * (integer("n_iter", in: 1...10) ?? 1)
    let (width, height) = try (side("width"), side("height"))
    let size =
      if let width, let height { served.nearestSize(width: width, height: height) } else { "auto" }
    let fields = setting("n", to: .integer(count)).setting("size", to: .string(size))
      .setting("output_format", to: .string("png")).setting("stream", to: .bool(false))
    return try ImageRequest(fields, sources: isEdit ? sources() : nil)
  }

  private func side(_ name: String) throws(APIError) -> Double? {
    try integer(name, in: 1...16_384).map { Double($0) }
  }

  private func sources() throws(APIError) -> [Picture] {
    let list = self["init_images"]?.arrayValue ?? []
    guard (1...16).contains(list.count) else {
      throw .invalid("init_images", "init_images is a list of 1 to 16 pictures to change")
    }
    var pictures: [Picture] = []
    for entry in list {
      guard let text = entry.stringValue else {
        throw .invalid("init_images", "init_images is a list of pictures in base64")
      }
      let address = text.hasPrefix("data:") ? text : "data:image/png;base64," + text
      pictures.append(try PictureAddress.picture(address, param: "init_images"))
    }
    return pictures
  }
}

extension ServedModel {
  /// Programs ask for sizes of their own: the one that is nearest in area, and above all in shape.
  func nearestSize(width: Double, height: Double) -> String {
    func distance(_ one: Double, _ other: Double) -> Double { max(one / other, other / one) }
    let sorted = sizes.map { size in
      let (ownWidth, ownHeight) = (Double(size.pixels.width), Double(size.pixels.height))
      let shape = distance(ownWidth * height, ownHeight * width)
      return (size.text, shape * shape * distance(ownWidth * ownHeight, width * height))
    }
    return sorted.min { $0.1 < $1.1 }?.0 ?? "auto"
  }
}
