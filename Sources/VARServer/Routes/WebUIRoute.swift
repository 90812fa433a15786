/// What programs ask below `/sdapi/v1` that know the web UI of Stable Diffusion.
package enum WebUIRoute: Sendable {
  case options
  case setOptions
  case models
  case drawing
  case edit
  case progress

  /// The route, and the methods that the path takes; nil for a path that leads elsewhere.
  static func find(_ path: String, method: String) -> (route: WebUIRoute, methods: String)? {
    switch path {
    case "/sdapi/v1/options": (method == "POST" ? .setOptions : .options, "GET, POST")
    case "/sdapi/v1/sd-models": (.models, "GET")
    case "/sdapi/v1/txt2img": (.drawing, "POST")
    case "/sdapi/v1/img2img": (.edit, "POST")
    case "/sdapi/v1/progress": (.progress, "GET")
    default: nil
    }
  }

  var hasBody: Bool {
    switch self {
    case .setOptions, .drawing, .edit: true
    case .options, .models, .progress: false
    }
  }
}
