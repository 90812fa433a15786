#if Server
  import HTTPTypes
  import HummingbirdCore
  import NIOCore
  import VARServer

  /// Answers one request after the other of a connection.
  struct Responder: Sendable {
    let service: Service
    let settings: ServerSettings
    let log: @Sendable (String) -> Void

    /// Tells how a request ended.
    ///
    /// - Parameter status: of the answer; nil: the client left before its end.
    private func tell(
      _ record: RequestRecord, _ route: Route?, _ status: Int?
    ) {
      service.metrics.count(route, code: status ?? 499)
      log(record.line(status, time: settings.secondsSince1970()))
    }

    private static let processing = HTTPResponse.Status(code: 102, reasonPhrase: "Processing")

    /// The connection ends, whatever its client thinks of it.
    private struct Ended: Error {}

    func respond(
      _ request: HummingbirdCore.Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
      let head = RequestHead(request.head)
      let record = RequestRecord(head)
      let route: Route
      let body: BodyReader
      do {
        route = try service.route(head)
        body = try BodyReader(head, limit: settings.maximumBodyBytes)
      } catch {
        let isRead = BodyReader.isEmpty(head)
        try await refuse(error, isRead: isRead, request, writer, record)
        return
      }
      guard route.hasBody else {
        let answer = try await service.answer(route, head, body: [])
        try await write(answer, writer)
        tell(record, route, answer.status)
        return
      }
      if body.isAwaited { try await writer.writeInformationalHead(HTTPResponse(status: .continue)) }
      var unused: ResponseWriter? = consume writer
      do {
        // Nothing more is read from the connection behind its body: it ends with the answer, or before.
        let status = try await request.body.consumeWithCancellationOnInboundClose { stream in
          guard let writer = unused.take() else { throw Ended() }
          // A client that sends its request is not kept waiting yet.
          let bytes: [UInt8]
          do {
            bytes = try await body.read(stream)
          } catch let error as APIError {
            try await write(Answer(error), writer, isLast: true)
            return error.status
          }
          return try await write(writer, Patience(head)) {
            try await service.answer(route, head, body: bytes)
          }
        }
        tell(record, route, status)
      } catch {
        tell(record, route, nil)
        throw error
      }
    }

    /// Answers without the body. What of it is on its way is read for a while, so that the answer arrives.
    private func refuse(
      _ error: APIError, isRead: Bool, _ request: HummingbirdCore.Request,
      _ writer: consuming ResponseWriter, _ record: RequestRecord
    ) async throws {
      tell(record, nil, error.status)
      try await write(Answer(error), writer, isLast: !isRead)
      guard !isRead else { return }
      let stream = request.body
      try? await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for try await _ in stream {} }
        group.addTask { try await Task.sleep(for: .seconds(2)) }
        try await group.next()
        group.cancelAll()
      }
      throw Ended()
    }

    /// - Parameter isLast: whether the connection ends behind the answer.
    private func write(
      _ answer: Answer, _ writer: consuming ResponseWriter, isLast: Bool = false
    ) async throws {
      var head = HTTPResponse(status: HTTPResponse.Status(code: answer.status))
      for (name, value) in answer.headers {
        if let name = HTTPField.Name(name) { head.headerFields[name] = value }
      }
      if isLast { head.headerFields[.connection] = "close" }
      switch answer.body {
      case .whole(let bytes):
        head.headerFields[.contentLength] = String(bytes.count)
        try await writer.write(
          response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
      case .pieces(let produce):
        var output = try await writer.writeHead(head)
        let (pieces, sink) = AsyncStream<[UInt8]>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            defer { sink.finish() }
            try await produce(sink)
          }
          for await piece in pieces { try await output.write(ByteBuffer(bytes: piece)) }
          try await group.next()
          try Task.checkCancellation()
        }
        try await output.finish(nil)
      }
    }

    /// Writes an answer when it is there, and keeps the client waiting until then.
    ///
    /// - Returns: the status of the answer.
    private func write(
      _ writer: consuming ResponseWriter, _ patience: Patience,
      _ compute: @escaping @Sendable () async throws -> Answer
    ) async throws -> Int {
      let wait = Wait(compute)
      defer { wait.cancel() }
      var silentSeconds = 0
      while true {
        if let answer = try await wait.second() {
          try await write(answer, writer, isLast: true)
          return answer.status
        }
        silentSeconds += 1
        switch patience {
        case .interim(let seconds) where silentSeconds % seconds == 0:
          try await writer.writeInformationalHead(HTTPResponse(status: Self.processing))
        case .blanks where silentSeconds >= Patience.blankSeconds.first:
          return try await writeBehindBlanks(writer, wait)
        default: break
        }
      }
    }

    private func writeBehindBlanks(
      _ writer: consuming ResponseWriter, _ wait: Wait
    ) async throws -> Int {
      let head = HTTPResponse(
        status: .ok, headerFields: [.contentType: "application/json", .connection: "close"])
      var output = try await writer.writeHead(head)
      var silentSeconds = 0
      while true {
        if silentSeconds % Patience.blankSeconds.next == 0 {
          try await output.write(ByteBuffer(bytes: Array(" ".utf8)))
        }
        if let answer = try await wait.second() {
          // Streams begin at once: what takes this long is a document.
          guard case .whole(let bytes) = answer.body else { throw Ended() }
          try await output.write(ByteBuffer(bytes: bytes))
          try await output.finish(nil)
          return answer.status
        }
        silentSeconds += 1
      }
    }
  }

  extension RequestHead {
    fileprivate init(_ head: HTTPRequest) {
      self.init(
        method: head.method.rawValue, target: head.path ?? "/", authority: head.authority,
        fields: head.headerFields.map { (name: $0.name.rawName, value: $0.value) })
    }
  }

  /// The wait for an answer, second by second.
  private final class Wait: Sendable {
    private let signs: AsyncThrowingStream<Answer?, any Error>
    private let work: Task<Void, Never>
    private let clock: Task<Void, any Error>

    init(_ compute: @escaping @Sendable () async throws -> Answer) {
      let (signs, sink) = AsyncThrowingStream<Answer?, any Error>.makeStream()
      self.signs = signs
      work = Task {
        do { sink.yield(try await compute()) } catch { sink.finish(throwing: error) }
      }
      clock = Task {
        while true {
          try await Task.sleep(for: .seconds(1))
          sink.yield(nil)
        }
      }
    }

    /// The answer as soon as it is there; nil where it is not within a second.
    ///
    /// - Throws: what the work threw; `CancellationError` where the task was cancelled, when the work has ended.
    func second() async throws -> Answer? {
      var iterator = signs.makeAsyncIterator()
      if let sign = try await iterator.next() { return sign }
      cancel()
      await work.value
      throw CancellationError()
    }

    func cancel() {
      work.cancel()
      clock.cancel()
    }
  }
#endif
