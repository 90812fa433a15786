import VARJSON
import VARLite

/// What came of a job.
struct JobResult: Sendable {
  /// As the route of its kind answers, but for the pictures' bytes.
  let document: JSONObject
  /// The pictures as files.
  let files: [[UInt8]]
  /// The drawings of the pictures, which variations begin like.
  let drawings: [DrawingState]

  /// Bytes that it takes in memory, nearly.
  var byteCount: Int {
    let bits = drawings.flatMap(\.bits).reduce(0) { $0 + $1.count }
    return files.reduce(0) { $0 + $1.count } + bits + JSONValue.object(document).text.utf8.count
  }
}
