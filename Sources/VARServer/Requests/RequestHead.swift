/// What stands before the body of a request.
package struct RequestHead: Sendable {
  package let method: String
  /// Path and query.
  package let target: String
  /// What the client calls the server, with the port; nil where it does not say.
  package let authority: String?
  private var fields: [String: String] = [:]

  /// - Parameter fields: names in any letters; what stands several times becomes a list.
  package init(
    method: String, target: String, authority: String?, fields: [(name: String, value: String)]
  ) {
    self.method = method
    self.target = target
    self.authority = authority
    for (name, value) in fields {
      let name = name.lowercased()
      self.fields[name] = self.fields[name].map { "\($0), \(value)" } ?? value
    }
  }

  /// The value of a header field.
  ///
  /// - Parameter name: in small letters.
  package subscript(name: String) -> String? { fields[name] }

  /// The target without its query.
  var path: String { String(target.prefix { $0 != "?" && $0 != "#" }) }

  /// The value that the query gives a name; nil where the name does not stand there.
  func query(_ name: String) -> Substring? {
    let query = target.prefix { $0 != "#" }.drop { $0 != "?" }.dropFirst()
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts[0] == name { return parts.count > 1 ? parts[1] : "" }
    }
    return nil
  }
}
