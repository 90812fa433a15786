/// What a path and a method below `/varlite/v1/jobs` lead to.
package enum JobRoute: Equatable, Sendable {
  case start
  case state(String)
  case end(String)
  case preview(String)
  case result(String)

  private static let root = "/varlite/v1/jobs"

  /// The route, and the methods that the path takes; nil for a path that leads elsewhere.
  static func find(_ path: String, method: String) -> (route: JobRoute, methods: String)? {
    guard path.hasPrefix(root) else { return nil }
    let parts = path.dropFirst(root.count).split(separator: "/", omittingEmptySubsequences: false)
    // The first part is what stands between the root and the first slash.
    guard let first = parts.first, first.isEmpty else { return nil }
    switch (parts.count, parts.last) {
    case (0...1, _): return (.start, "POST")
    case (2, let id?) where JobID.isOne(id):
      return (method == "DELETE" ? .end(String(id)) : .state(String(id)), "GET, DELETE")
    case (3, "preview") where JobID.isOne(parts[1]): return (.preview(String(parts[1])), "GET")
    case (3, "result") where JobID.isOne(parts[1]): return (.result(String(parts[1])), "GET")
    default: return nil
    }
  }
}
