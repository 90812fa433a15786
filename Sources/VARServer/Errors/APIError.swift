import VARJSON

/// Why a request is not answered, as clients of OpenAI's interface expect to be told.
package struct APIError: Error, Sendable {
  package let status: Int
  /// One line: what was wrong, and what to do. What it quotes of a request is cut where it is long.
  package let message: String
  /// The field that is to blame; nil: none by itself.
  package let param: String?
  /// A stable name of the kind of fault; nil where the status says it all.
  package let code: String?
  /// Header fields of the answer.
  package var headers: [(name: String, value: String)] = []

  package init(
    _ status: Int, _ message: String, param: String? = nil, code: String? = nil
  ) {
    self.status = status
    self.message = message.printable
    self.param = param?.printable
    self.code = code
  }

  /// A field has a value that it cannot have.
  static func invalid(_ param: String, _ message: String) -> APIError {
    APIError(400, message, param: param, code: "invalid_value")
  }

  /// A field asks for what the server never does.
  static func unsupported(_ param: String, _ message: String) -> APIError {
    APIError(400, message, param: param, code: "not_supported")
  }

  /// The same, and clients of OpenAI do not try again by themselves.
  var withoutRetry: APIError {
    var error = self
    error.headers.append((name: "x-should-retry", value: "false"))
    return error
  }

  /// The same, and clients try again after a time; not by themselves where that is long or unknown.
  func withRetry(afterSeconds seconds: Double?) -> APIError {
    guard let seconds, seconds < 120 else { return withoutRetry }
    var error = self
    error.headers.append((name: "retry-after", value: String(max(1, Int(seconds.rounded(.up))))))
    return error
  }

  /// The kind of the status.
  private var type: String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 429: "rate_limit_error"
    case 503: "unavailable_error"
    case 500...: "server_error"
    default: "invalid_request_error"
    }
  }

  /// The document that clients get.
  package var json: JSONValue {
    .object(
      JSONObject([
        (
          "error",
          .object(
            JSONObject([
              ("message", .string(message)), ("type", .string(type)),
              ("param", param.map { .string($0) } ?? .null),
              ("code", code.map { .string($0) } ?? .null),
            ]))
        )
      ]))
  }
}
