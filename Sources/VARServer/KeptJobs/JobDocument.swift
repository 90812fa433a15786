import VARJSON
import VARLite

/// A job as clients see it.
struct JobDocument {
  let job: KeptJob
  /// When one is forgotten that ended then, in seconds since 1970.
  let expiry: (Int) -> Int
  /// Whether pictures stand in the document itself.
  var includesPictures = false

  var json: JSONValue {
    let snapshot = job.snapshot
    var members = JSONObject([
      ("id", .string(job.id)), ("object", .string("varlite.job")),
      ("type", .string(job.kind.rawValue)), ("status", .string(snapshot.status.rawValue)),
      ("created", .integer(job.created)), ("seed", .integer(Int(job.seed))),
    ])
    let current = snapshot.status == .running ? snapshot.current?.snapshot : nil
    if snapshot.status == .queued { members["queue_place"] = .integer(job.queuePlace) }
    if snapshot.status == .running {
      members["progress"] = .object(progress(current, doneCount: snapshot.doneCount))
    }
    if job.kind != .chat {
      members["preview"] =
        current?.preview.map { .string("\(path)/preview?scale=\($0.scaleCount)") } ?? .null
    } else {
      members["preview"] = .null
      members["text"] = .string(current?.text ?? text(snapshot.result))
    }
    switch snapshot.ending {
    case .completed(let result): members["result"] = self.result(result)
    case .failed(let error): members["error"] = error.json["error"]
    case .cancelled, nil: break
    }
    if let ended = snapshot.ended { members["expires"] = .integer(expiry(ended)) }
    return .object(members)
  }

  var path: String { "/varlite/v1/jobs/\(job.id)" }

  private func progress(_ current: Job.Snapshot?, doneCount: Int) -> JSONObject {
    guard let progress = current?.progress else {
      return JSONObject([
        ("stage", .string("starting")),
        ("fraction", .number(Double(doneCount) / Double(job.pictureCount))),
      ])
    }
    var members = JSONObject([("stage", .string(progress.stage.rawValue))])
    if progress.stage == .drawing {
      members["scale"] = .integer(min(progress.done + 1, progress.total))
      members["scales"] = .integer(progress.total)
    } else if progress.stage == .decoding, let scale = current?.scale {
      members["scale"] = .integer(scale.count)
      members["scales"] = .integer(scale.count)
    }
    let fraction = (Double(doneCount) + progress.fraction) / Double(job.pictureCount)
    members["fraction"] = .number((fraction * 1000).rounded() / 1000)
    // Nobody knows what the pictures will take that have not begun.
    if let seconds = progress.secondsLeft, doneCount + 1 == job.pictureCount {
      members["seconds_left"] = .number((seconds * 10).rounded() / 10)
    }
    return members
  }

  private func text(_ result: JobResult?) -> String {
    let choice = result?.document["choices"]?.arrayValue?.first
    return choice?["message"]?["content"]?.stringValue ?? ""
  }

  private func result(_ result: JobResult) -> JSONValue {
    guard job.kind != .chat else { return .object(result.document) }
    return ImageAnswer.filled(result.document) { index in
      if includesPictures { return ("b64_json", Base64.text(result.files[index])) }
      return ("url", "\(path)/result" + (index == 0 ? "" : "?index=\(index)"))
    }
  }
}
