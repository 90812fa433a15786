import VARJSON
import VARLite

/// How a job ended, to be stored.
struct StoredEnding {
  let id: String
  let ending: KeptJob.Ending
  /// In seconds since 1970.
  let time: Int

  init(_ id: String, _ ending: KeptJob.Ending, at time: Int) {
    self.id = id
    self.ending = ending
    self.time = time
  }

  var record: StateRecord {
    var header = JSONObject([("id", .string(id)), ("ended", .integer(time))])
    switch ending {
    case .completed(let result):
      header["document"] = .object(result.document)
      header["files"] = .integer(result.files.count)
      return StateRecord(header, parts: result.files + result.drawings.map(\.serialized))
    case .failed(let error):
      header["status"] = .integer(error.status)
      header["error"] = error.json["error"]
    case .cancelled: break
    }
    return StateRecord(header, parts: [])
  }

  /// - Throws: `StateRecord.Damage` for what no ending was stored as.
  init(_ record: StateRecord) throws {
    let header = record.header
    guard let id = header["id"]?.stringValue, let time = header["ended"]?.integerValue,
      StateRecord.counts.contains(time)
    else {
      throw StateRecord.Damage("its header is not complete")
    }
    self.id = id
    self.time = time
    if let document = header["document"]?.objectValue,
      let count = header["files"]?.integerValue, (0...record.parts.count).contains(count),
      count == document["data"]?.arrayValue?.count ?? 0
    {
      ending = .completed(
        JobResult(
          document: document, files: Array(record.parts.prefix(count)),
          drawings: try record.parts.dropFirst(count).map { try DrawingState(serialized: $0) }))
    } else if let error = header["error"], let status = header["status"]?.integerValue,
      (400...599).contains(status)
    {
      ending = .failed(
        APIError(
          status, error["message"]?.stringValue ?? "", param: error["param"]?.stringValue,
          code: error["code"]?.stringValue))
    } else {
      throw StateRecord.Damage("it tells no ending")
    }
  }
}
