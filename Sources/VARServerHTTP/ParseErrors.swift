import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import VARServer

/// Turns the bare 400 of requests that cannot be read into an error as clients expect it; 431 for heads that are too
/// large.
///
/// The error passes here on its way in, and the 400 on its way out.
final class ParseErrors: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private var error: APIError?

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? HTTPParserError {
      self.error =
        error == .headerOverflow
        ? APIError(431, "the head of the request is too large", code: "head_too_large")
        : APIError(400, "the request is no HTTP/1.1: \(error)", code: "invalid_http")
    }
    context.fireErrorCaught(error)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard let error, case .head(let head) = unwrapOutboundIn(data), head.status == .badRequest,
      head.headerFields[.contentLength] == "0"
    else { return context.write(data, promise: promise) }
    self.error = nil
    let (answer, bytes) = HTTPResponse.of(error)
    context.write(wrapOutboundOut(.head(answer)), promise: promise)
    context.write(wrapOutboundOut(.body(ByteBuffer(bytes: bytes))), promise: nil)
  }
}

extension HTTPResponse {
  /// The head and the bytes of an error behind which the connection ends.
  fileprivate static func of(_ error: APIError) -> (HTTPResponse, [UInt8]) {
    let answer = Answer(error)
    // Errors are documents.
    let bytes = if case .whole(let bytes) = answer.body { bytes } else { [UInt8]() }
    var head = HTTPResponse(status: Status(code: answer.status))
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { head.headerFields[name] = value }
    }
    head.headerFields[.connection] = "close"
    head.headerFields[.contentLength] = String(bytes.count)
    return (head, bytes)
  }
}
