/// Who is served: whoever shows a key, and never a page of another site that a browser runs.
package struct AccessPolicy: Sendable {
  private let keys: [[UInt8]]
  private let allowedHosts: Set<String>

  package init(_ settings: ServerSettings) {
    keys = settings.keys.map { Array($0.utf8) }
    allowedHosts = Set(settings.allowedHosts.map { $0.lowercased() } + ["localhost"])
  }

  /// - Parameter isPublic: whether the route is for everybody.
  /// - Throws: 403 for a page of another site, 401 for a request without a key where one is needed.
  package func check(_ head: RequestHead, isPublic: Bool) throws(APIError) {
    try checkHost(head)
    try checkOrigin(head)
    guard !isPublic, !keys.isEmpty else { return }
    guard client(head) != nil else {
      var error = APIError(
        401, "this server needs a key: send it as Authorization: Bearer KEY",
        code: "invalid_api_key")
      error.headers.append((name: "www-authenticate", value: "Bearer"))
      throw error
    }
  }

  /// Which of the keys a request shows, by its place among them; nil: none of them.
  func client(_ head: RequestHead) -> Int? {
    guard let shown = Self.shownKey(head) else { return nil }
    return index(of: Array(shown.utf8))
  }

  /// A name that an attacker owns can be made to lead to this machine; an address in numbers cannot.
  private func checkHost(_ head: RequestHead) throws(APIError) {
    guard let authority = head.authority, !authority.isEmpty else { return }
    let host = Self.host(of: authority)
    guard Self.isAddress(host) || allowedHosts.contains(host) else {
      throw APIError(
        403, "this server is not reached as \(host): its owner has to allow that name",
        code: "host_not_allowed")
    }
  }

  /// Browsers say which site's page sends a request.
  private func checkOrigin(_ head: RequestHead) throws(APIError) {
    guard let origin = head["origin"] else { return }
    let parts = origin.lowercased().split(separator: "/", omittingEmptySubsequences: false)
    let isSame =
      parts.count == 3 && parts[1].isEmpty && ["http:", "https:"].contains(parts[0])
      && String(parts[2]) == head.authority?.lowercased()
    guard isSame else {
      throw APIError(
        403, "a page of \(origin) may not use this server", code: "origin_not_allowed")
    }
  }

  private static func shownKey(_ head: RequestHead) -> Substring? {
    if let key = head["x-api-key"] { return Substring(key) }
    guard let field = head["authorization"] else { return nil }
    let words = field.split(separator: " ", omittingEmptySubsequences: true)
    guard words.count == 2 else { return nil }
    switch words[0].lowercased() {
    case "bearer": return words[1]
    case "basic":
      // The name of the user does not matter, the password is the key.
      guard let bytes = Base64.bytes(words[1].utf8) else { return nil }
      let pair = String(decoding: bytes, as: UTF8.self)
      return pair.firstIndex(of: ":").map { pair[pair.index(after: $0)...] }
    default: return nil
    }
  }

  /// Takes as long for every key of a length.
  private func index(of shown: [UInt8]) -> Int? {
    keys.indices.reduce(nil) { found, index in
      guard keys[index].count == shown.count else { return found }
      let difference = zip(keys[index], shown).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
      return difference == 0 ? index : found
    }
  }

  /// The name without its port, in small letters.
  static func host(of authority: String) -> String {
    let text = authority.lowercased()
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") { return String(text[...end]) }
    guard let colon = text.lastIndex(of: ":") else { return text }
    return String(text[..<colon])
  }

  /// Whether a host is an address of IPv4 or IPv6 in numbers.
  private static func isAddress(_ host: String) -> Bool {
    if host.hasPrefix("["), host.hasSuffix("]") {
      return host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || ":.%".contains($0) }
    }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }
}
