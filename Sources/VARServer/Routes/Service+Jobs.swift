import VARLite

extension Service {
  /// Answers about jobs that outlive their connections.
  func answer(
    _ route: JobRoute, _ head: RequestHead, body: [UInt8]
  ) async throws(APIError) -> Answer {
    // While stored jobs are read, nobody is told that there is no such job.
    let catalog = try catalog()
    desk.forget()
    switch route {
    case .start:
      let document = document(try await desk.start(body, head, catalog), head)
      return Answer(
        document.json, status: 202, headers: [(name: "location", value: document.path)])
    case .state(let id): return Answer(document(try desk.jobs.find(id), head).json)
    case .end(let id):
      let job = try desk.jobs.find(id)
      await desk.end(job)
      return Answer(document(job, head).json)
    case .preview(let id): return try await preview(desk.jobs.find(id))
    case .result(let id):
      return try result(desk.jobs.find(id), head.query("index").map { Int($0) ?? -1 } ?? 0)
    }
  }

  private func document(_ job: KeptJob, _ head: RequestHead) -> JobDocument {
    JobDocument(
      job: job, expiry: desk.jobs.expiry, includesPictures: head.query("b64_json") == "1")
  }

  /// The newest preview; the picture itself once it is there, so that who has just seen a preview's address gets one.
  private func preview(_ job: KeptJob) async throws(APIError) -> Answer {
    if job.snapshot.result != nil { return try result(job, 0) }
    let file: [UInt8]?
    do throws(VARLiteError) {
      file = try await desk.runner.encoder.result { () throws(VARLiteError) in
        try job.previewFile()
      }
    } catch { throw APIError(error) }
    guard let file else {
      throw APIError(404, "job \(job.id) has no preview now", code: "no_preview")
    }
    return Answer(file: file, type: "image/png")
  }

  private func result(_ job: KeptJob, _ index: Int) throws(APIError) -> Answer {
    let snapshot = job.snapshot
    guard let result = snapshot.result else {
      throw APIError(
        409, "job \(job.id) is \(snapshot.status.rawValue), not completed",
        code: "job_not_completed")
    }
    guard result.files.indices.contains(index) else {
      throw APIError(404, "job \(job.id) has no picture \(index)", code: "no_picture")
    }
    let file = result.files[index]
    return Answer(file: file, type: file.first == 0xFF ? "image/jpeg" : "image/png")
  }
}
