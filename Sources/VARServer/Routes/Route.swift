/// What a method and a path lead to.
package enum Route: Equatable, Sendable {
  case health
  case metrics
  case models
  case model(String)
  case chat
  case generations
  case edits
  case job(JobRoute)
  case webUI(WebUIRoute)
  case page(PageFile)

  /// - Throws: 404 for a path that leads nowhere, 405 for another method.
  package init(_ head: RequestHead) throws(APIError) {
    let path = head.path
    // Several methods stand as in an Allow field.
    let (route, method): (Route, String)
    switch path {
    case "/health", "/v1/health": (route, method) = (.health, "GET")
    case "/metrics": (route, method) = (.metrics, "GET")
    case "/v1/models": (route, method) = (.models, "GET")
    case "/v1/chat/completions": (route, method) = (.chat, "POST")
    case "/v1/images/generations": (route, method) = (.generations, "POST")
    case "/v1/images/edits": (route, method) = (.edits, "POST")
    default:
      if let (job, methods) = JobRoute.find(path, method: head.method) {
        (route, method) = (.job(job), methods)
        break
      }
      if let (webUI, methods) = WebUIRoute.find(path, method: head.method) {
        (route, method) = (.webUI(webUI), methods)
        break
      }
      let start = "/v1/models/"
      if let file = PageFile(rawValue: path) {
        (route, method) = (.page(file), "GET")
      } else if path.hasPrefix(start), path.count > start.count {
        (route, method) = (.model(String(path.dropFirst(start.count))), "GET")
      } else {
        throw APIError(404, "there is no \(path.prefix(100))", code: "unknown_url")
      }
    }
    guard method.split(separator: ", ").contains(head.method[...]) else {
      var error = APIError(
        405, "\(path) takes \(method), not \(head.method.prefix(16))",
        code: "method_not_allowed")
      error.headers.append((name: "allow", value: method))
      throw error
    }
    self = route
  }

  /// The name in figures.
  var name: String {
    switch self {
    case .health: "health"
    case .metrics: "metrics"
    case .models, .model: "models"
    case .chat: "chat"
    case .generations: "generations"
    case .edits: "edits"
    case .job: "jobs"
    case .webUI: "sdapi"
    case .page: "page"
    }
  }

  /// Whether everybody may know. The page is what asks for the key.
  package var isPublic: Bool {
    switch self {
    case .health, .page: true
    default: false
    }
  }

  /// Whether there is a body to read.
  package var hasBody: Bool {
    switch self {
    case .health, .metrics, .models, .model, .page: false
    case .chat, .generations, .edits: true
    case .job(let route): route == .start
    case .webUI(let route): route.hasBody
    }
  }
}
