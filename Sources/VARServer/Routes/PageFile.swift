/// The files of the web page. They stand in `Page`, and are part of the program.
package enum PageFile: String, CaseIterable, Sendable {
  case index = "/"
  case style = "/page.css"
  case icon = "/icon.svg"
  case page = "/page.js"
  case composer = "/composer.js"
  case turn = "/turn.js"
  case settings = "/settings.js"
  case pictures = "/pictures.js"
  case store = "/store.js"
  case api = "/api.js"

  package var bytes: [UInt8] {
    switch self {
    case .index: PackageResources.index_html
    case .style: PackageResources.page_css
    case .icon: PackageResources.icon_svg
    case .page: PackageResources.page_js
    case .composer: PackageResources.composer_js
    case .turn: PackageResources.turn_js
    case .settings: PackageResources.settings_js
    case .pictures: PackageResources.pictures_js
    case .store: PackageResources.store_js
    case .api: PackageResources.api_js
    }
  }

  private var type: String {
    if rawValue.hasSuffix(".js") { return "text/javascript; charset=utf-8" }
    if rawValue.hasSuffix(".css") { return "text/css; charset=utf-8" }
    return rawValue.hasSuffix(".svg") ? "image/svg+xml" : "text/html; charset=utf-8"
  }

  /// Nothing but the server's own files runs in the page, and it sends nothing to anybody else. Pictures that it drew
  /// or was given have `blob:` addresses, which lead to the memory of the page alone.
  private static let policy =
    "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'self'; "
    + "frame-ancestors 'none'"

  var answer: Answer {
    Answer(
      file: bytes, type: type,
      headers: [
        (name: "content-security-policy", value: Self.policy),
        (name: "x-content-type-options", value: "nosniff"),
        (name: "referrer-policy", value: "no-referrer"),
        // The page of a newer server is there at once.
        (name: "cache-control", value: "no-cache"),
      ])
  }
}
