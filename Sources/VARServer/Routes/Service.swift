import Synchronization
import VARJSON
import VARLite

/// Answers the requests of clients. It knows nothing of sockets.
package final class Service: Sendable {
  private let access: AccessPolicy
  /// nil while models are opened.
  let opened = Mutex<ModelCatalog?>(nil)
  let runtime: Runtime
  package let queue: JobQueue
  package let metrics = Metrics()
  private let runner: JobRunner
  /// The jobs that outlive their connections.
  let desk: JobDesk
  let webUI = WebUIState()
  let idleModels: IdleModels
  private let retries: RetryTable
  let log: @Sendable (String) -> Void
  private let now: @Sendable () -> Int
  private let isStopping = Atomic<Bool>(false)

  /// Serves no model yet; see ``open(_:)``.
  ///
  /// - Parameter folder: where jobs are stored that are to outlive the server; nil: nowhere.
  package init(_ runtime: Runtime, _ settings: ServerSettings, folder: StateFolder? = nil) {
    access = AccessPolicy(settings)
    log = settings.log
    idleModels = IdleModels(idleSeconds: settings.modelIdleSeconds)
    now = settings.secondsSince1970
    retries = RetryTable(keptSeconds: settings.keptWorkSeconds)
    self.runtime = runtime
    queue = JobQueue(
      maximumLength: settings.maximumQueueLength,
      maximumPerClient: settings.maximumRequestsPerKey,
      expectedWaitSeconds: { runtime.snapshot.expectedWaitSeconds })
    runner = JobRunner(queue: queue, access: access, metrics: metrics)
    desk = JobDesk(
      jobs: KeptJobs(settings), runner: runner, folder: folder,
      now: settings.secondsSince1970)
  }

  /// Refuses what comes from now on. What runs goes on.
  package func stop() {
    isStopping.store(true, ordering: .relaxed)
    queue.close()
    desk.suspend()
  }

  var models: [ServedModel] { opened.withLock { $0?.models ?? [] } }

  /// - Throws: 503 while models are opened.
  func catalog() throws(APIError) -> ModelCatalog {
    guard let catalog = opened.withLock({ $0 }) else { throw .loading }
    return catalog
  }

  /// Stops what still runs.
  package func end() async {
    runtime.close()
    await desk.folder?.finish()
  }

  /// Where a request leads, if its sender may go there.
  package func route(_ head: RequestHead) throws(APIError) -> Route {
    // Who may not come in learns nothing of what there is.
    let route = Result { () throws(APIError) in try Route(head) }
    let isPublic = if case .success(let route) = route { route.isPublic } else { false }
    try access.check(head, isPublic: isPublic)
    if isStopping.load(ordering: .relaxed) { throw .stopping }
    return try route.get()
  }

  /// - Parameter body: what came behind the head.
  /// - Throws: `CancellationError` where the task was cancelled.
  package func answer(_ route: Route, _ head: RequestHead, body: [UInt8]) async throws -> Answer {
    do {
      switch route {
      case .chat, .generations, .edits:
        return try await retries.answer(head, route, body: body) {
          try await self.computed(route, head, body: body)
        }
      case .webUI(let route): return try await answer(route, head, body: body)
      case .page(let file): return file.answer
      case .job(let route): return try await answer(route, head, body: body)
      case .health, .metrics, .models, .model: return try told(route)
      }
    } catch let error where !Task.isCancelled {
      return Answer(APIError.of(error))
    }
  }

  /// What is answered at once.
  private func told(_ route: Route) throws(APIError) -> Answer {
    switch route {
    case .metrics: return Answer(text: MetricsPage(self).text, type: "text/plain; version=0.0.4")
    case .models:
      let list = JSONValue.array(try catalog().models.map(Self.entry))
      return Answer(.object(JSONObject([("object", .string("list")), ("data", list)])))
    case .model(let name): return Answer(Self.entry(try catalog().entry(name)))
    default:
      _ = try catalog()
      return Answer(.object(JSONObject([("status", .string("ok"))])))
    }
  }

  /// What a model has to compute.
  private func computed(_ route: Route, _ head: RequestHead, body: [UInt8]) async throws -> Answer {
    switch route {
    case .chat: return try await chat(ChatRequest(Fields(json: body)), head)
    case .generations:
      return try await images(ImageRequest(Fields(json: body), sources: nil), head)
    default:
      let edit = try EditBody(body, head)
      return try await images(ImageRequest(edit.fields, sources: edit.sources), head)
    }
  }

  private static func entry(_ served: ServedModel) -> JSONValue {
    .object(
      JSONObject([
        ("id", .string(served.id)), ("object", .string("model")),
        ("created", .integer(served.created)), ("owned_by", .string("varlite")),
        ("sizes", .array(served.sizes.map { .string($0.text) })),
      ]))
  }
}

// MARK: Text

extension Service {
  private func chat(_ asked: ChatRequest, _ head: RequestHead) async throws -> Answer {
    let served = try catalog().model(asked.model)
    let ticket = try runner.admit(asked.request, served, head)
    let answer = ChatAnswer(
      model: served.id, created: now(), seed: asked.request.text.seed)
    guard asked.isStream else {
      defer { ticket.leave() }
      return Answer(
        answer.whole(try await runner.response(asked.request, served.model, ticket)))
    }
    let runner = runner
    return Answer { sink in
      try await JobWatch(ticket, head).streaming(sink) { watch in
        sink.yield(answer.first())
        let response = try await runner.response(
          asked.request, served.model, ticket, start: watch.begin
        ) { event in
          for piece in answer.more(event.text ?? "") { sink.yield(piece) }
        }
        sink.yield(answer.last(response))
        if asked.includesUsage { sink.yield(answer.usage(response)) }
      }
    }
  }
}

// MARK: Pictures

extension Service {
  private func images(_ asked: ImageRequest, _ head: RequestHead) async throws -> Answer {
    let served = try catalog().model(asked.model)
    var requests: [Request] = []
    for index in 0..<asked.count { requests.append(try asked.request(index, served)) }
    // All of them are drawn in one place: they differ in their seeds alone.
    let ticket = try runner.admit(requests[0], served, head)
    let answer = ImageAnswer(asked, created: now())
    guard asked.isStream else {
      defer { ticket.leave() }
      var responses: [Response] = []
      for request in requests {
        responses.append(try await runner.response(request, served.model, ticket))
      }
      return try await runner.encoder.result { [responses] in Answer(try answer.whole(responses)) }
    }
    let (runner, all) = (runner, requests)
    return Answer { sink in
      try await JobWatch(ticket, head).streaming(sink) { watch in
        for request in all {
          var previewCount = 0
          let response = try await runner.response(
            request, served.model, ticket, start: watch.begin
          ) { event in
            guard let preview = event.preview else { return }
            let index = previewCount
            sink.yield(
              try await runner.encoder.result { try answer.partial(preview.picture, index: index) })
            previewCount += 1
          }
          sink.yield(try await runner.encoder.result { try answer.completed(response) })
        }
      }
    }
  }
}

extension JobWatch {
  /// A stream of events: it ends with its last line, or with an error.
  fileprivate func streaming(
    _ sink: Answer.Sink, _ body: @escaping @Sendable (JobWatch) async throws -> Void
  ) async throws {
    defer { ticket.leave() }
    do {
      try await commenting(sink) { try await body(self) }
      sink.yield(ServerSentEvent.done)
    } catch let error where !Task.isCancelled {
      sink.yield(ServerSentEvent.data(APIError.of(error).json))
    }
  }
}
