import HTTPTypes

/// What a method and a path lead to.
package enum Route: Equatable, Sendable {
  case health
  case models
  case model(String)
  case chat
  case generations
  case edits

  /// - Throws: 404 for a path that leads nowhere, 405 for another method.
  package init(_ head: HTTPRequest) throws(APIError) {
    let path = String((head.path ?? "/").prefix { $0 != "?" && $0 != "#" })
    let (route, method): (Route, HTTPRequest.Method)
    switch path {
    case "/health", "/v1/health": (route, method) = (.health, .get)
    case "/v1/models": (route, method) = (.models, .get)
    case "/v1/chat/completions": (route, method) = (.chat, .post)
    case "/v1/images/generations": (route, method) = (.generations, .post)
    case "/v1/images/edits": (route, method) = (.edits, .post)
    default:
      let start = "/v1/models/"
      guard path.hasPrefix(start), path.count > start.count else {
        throw APIError(.notFound, "there is no \(path.prefix(100))", code: "unknown_url")
      }
      (route, method) = (.model(String(path.dropFirst(start.count))), .get)
    }
    guard head.method == method else {
      var error = APIError(
        .methodNotAllowed, "\(path) takes \(method.rawValue), not \(head.method.rawValue)",
        code: "method_not_allowed")
      error.headers[.allow] = method.rawValue
      throw error
    }
    self = route
  }

  /// Whether everybody may know.
  package var isPublic: Bool { self == .health }

  /// Whether there is a body to read.
  package var hasBody: Bool {
    switch self {
    case .health, .models, .model: false
    case .chat, .generations, .edits: true
    }
  }
}
