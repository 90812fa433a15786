import HTTPTypes
import HummingbirdCore
import NIOCore
import VARSystem

/// Answers one request after the other of a connection.
struct Responder: Sendable {
  let service: Service
  let settings: ServerSettings
  let log: @Sendable (String) -> Void

  /// Tells how a request ended.
  ///
  /// - Parameter status: of the answer; nil: the client left before its end.
  private func tell(_ record: RequestRecord, _ status: HTTPResponse.Status?) {
    log(record.line(status, time: settings.secondsSince1970()))
  }

  /// The connection ends, whatever its client thinks of it.
  private struct Ended: Error {}

  func respond(
    _ request: HummingbirdCore.Request, _ writer: consuming ResponseWriter, _ channel: any Channel
  ) async throws {
    let record = RequestRecord(request.head)
    let route: Route
    let body: BodyReader
    do {
      route = try service.route(request.head)
      body = try BodyReader(request.head, limit: settings.maximumBodyBytes)
    } catch {
      let isRead = BodyReader.isEmpty(request.head)
      try await refuse(error, isRead: isRead, request, writer, record)
      return
    }
    guard route.hasBody else {
      let answer = try await service.answer(route, request.head, body: [])
      tell(record, answer.status)
      try await write(answer, writer)
      return
    }
    if body.isAwaited { try await writer.writeInformationalHead(HTTPResponse(status: .continue)) }
    var unused: ResponseWriter? = consume writer
    do {
      // Nothing more is read from the connection behind its body: it ends with the answer, or before.
      try await request.body.consumeWithCancellationOnInboundClose { stream in
        let answer: Answer
        do {
          let bytes = try await body.read(stream)
          answer = try await service.answer(route, request.head, body: bytes)
        } catch let error as APIError {
          answer = Answer(error)
        }
        tell(record, answer.status)
        guard let writer = unused.take() else { return }
        try await write(answer, writer, isLast: true)
      }
    } catch {
      tell(record, nil)
      throw error
    }
  }

  /// Answers without the body. What of it is on its way is read for a while, so that the answer arrives.
  private func refuse(
    _ error: APIError, isRead: Bool, _ request: HummingbirdCore.Request,
    _ writer: consuming ResponseWriter, _ record: RequestRecord
  ) async throws {
    tell(record, error.status)
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
    var head = HTTPResponse(status: answer.status, headerFields: answer.headers)
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
}
