import VARJSON
import VARLite

/// Starts the jobs that outlive their connections, runs them, and stops them.
struct JobDesk: Sendable {
  let jobs: KeptJobs
  let runner: JobRunner
  /// Where jobs are stored that are to outlive the server; nil: nowhere.
  let folder: StateFolder?
  let now: @Sendable () -> Int

  /// Takes a job that fits the memory and finds a place.
  func start(
    _ body: [UInt8], _ head: RequestHead, _ catalog: ModelCatalog
  ) async throws(APIError) -> KeptJob {
    let asked = try JobBody(body, head, original: original)
    let served = try catalog.model(asked.modelName)
    let job = KeptJob(
      id: JobID.random(), asked, bodyByteCount: body.count, created: now(),
      ticket: try runner.admit(asked.firstRequest(served), served, head))
    await folder?.store(StoredRequest(job, asked, body, head, StoredModel(served)))
    begin(job, served)
    return job
  }

  /// Starts the work of a job that has a place.
  func begin(_ job: KeptJob, _ served: ServedModel) {
    // Whoever finds it can stop it.
    job.run { await run(job, served) }
    jobs.add(job)
  }

  /// Stops a job; one that has ended is forgotten.
  func end(_ job: KeptJob) async {
    if !job.end(.cancelled, at: now()) { jobs.remove(job.id) }
    await folder?.remove(job.id)
  }

  /// Stops what goes on when the server is there again.
  func suspend() {
    if folder != nil { for job in jobs.all { job.suspend() } }
  }

  /// Forgets what is too old or too much.
  func forget() {
    for id in jobs.forget(at: now()) { folder?.removeLater(id) }
  }

  /// The drawing of a finished job.
  private func original(_ id: String) throws(APIError) -> OriginalDrawing {
    let job: KeptJob
    do throws(APIError) { job = try jobs.find(id) } catch {
      throw APIError(404, error.message, param: "like", code: error.code)
    }
    let snapshot = job.snapshot
    guard job.kind == .generation, let result = snapshot.result,
      let prompt = snapshot.prompt, let state = result.drawings.first,
      let size = result.document["size"]?.stringValue
    else {
      throw .invalid("like", "job \(id) is no drawing that is completed")
    }
    return OriginalDrawing(prompt: prompt, state: state, size: size)
  }

  private func run(_ job: KeptJob, _ served: ServedModel) async {
    let ending: KeptJob.Ending
    do {
      ending = .completed(try await result(job, served))
    } catch  where Task.isCancelled || folder != nil && runner.queue.isClosed {
      // It was stopped by its client, or goes on when the server is there again.
      job.leave()
      if job.snapshot.status == .cancelled { await folder?.remove(job.id) }
      return
    } catch {
      ending = .failed(APIError.of(error))
    }
    // Whoever is told that it has ended finds it after a power cut too.
    let time = now()
    await folder?.store(StoredEnding(job.id, ending, at: time))
    if !job.end(ending, at: time) { await folder?.remove(job.id) }
    job.leave()
    forget()
  }

  private func result(_ job: KeptJob, _ served: ServedModel) async throws -> JobResult {
    guard let ticket = job.place, let work = job.snapshot.work else { throw CancellationError() }
    switch work {
    case .chat(let asked):
      let response = try await runner.response(
        asked.request, served.model, ticket, start: { job.begin($0, doneCount: 0) })
      let answer = ChatAnswer(
        model: served.id, created: job.created, seed: asked.request.text.seed,
        id: String(job.id.drop { $0 != "_" }.dropFirst()))
      return JobResult(
        document: answer.whole(response).objectValue ?? JSONObject(), files: [], drawings: [])
    case .images(let asked):
      var responses: [Response] = []
      for index in 0..<asked.count {
        let request = try await request(index, of: asked, job, served)
        let response = try await runner.response(
          request, served.model, ticket, start: { job.begin($0, doneCount: index) },
          watch: { event in
            if let scale = event.scale { folder?.store(scale.state, index, of: job.id) }
          })
        responses.append(response)
      }
      let answer = ImageAnswer(asked, created: job.created)
      return try await runner.encoder.result { [responses] in
        JobResult(
          document: try answer.document(responses), files: try responses.map(answer.file),
          drawings: responses.compactMap(\.drawing))
      }
    }
  }

  /// The request for a picture, which goes on with what is stored of it.
  private func request(
    _ index: Int, of asked: ImageRequest, _ job: KeptJob, _ served: ServedModel
  ) async throws(APIError) -> Request {
    var request = try asked.request(index, served)
    if let state = await folder?.drawing(index, of: job.id) {
      request.drawing = DrawingRequest(resuming: state)
      request.kvType = state.kvType
    }
    return Self.watched(request, served.model)
  }

  /// The request with previews, where the memory has room for them.
  static func watched(_ request: Request, _ model: Model) -> Request {
    var watched = request
    watched.drawing?.previews = previews(of: model)
    watched.drawing?.previewQuality = .quick
    return (try? model.requireFit(watched)) == nil ? request : watched
  }

  /// Few where the picture decoder makes them and takes its time.
  private static func previews(of model: Model) -> DrawingRequest.Previews {
    let levelCount = model.configuration.generator.numLevels
    return model.hasQuickPreviews ? .everyScale : .count(min(3, levelCount - 1))
  }
}
