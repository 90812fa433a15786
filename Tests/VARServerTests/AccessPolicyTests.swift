import Testing
import VARServer

/// Who is served.
@Suite struct AccessPolicyTests {
  private func status(
    _ authority: String, keys: [String] = [], hosts: [String] = [],
    _ fields: [(name: String, value: String)] = []
  ) -> Int {
    var settings = ServerSettings(secondsSince1970: { 0 })
    settings.keys = keys
    settings.allowedHosts = hosts
    let head = RequestHead(method: "POST", target: "/", authority: authority, fields: fields)
    do throws(APIError) {
      try AccessPolicy(settings).check(head, isPublic: false)
      return 200
    } catch { return error.status }
  }

  @Test func addressesAndKnownNamesAreHosts() {
    for host in ["127.0.0.1:8080", "192.168.1.9", "[::1]:8080", "localhost:1", "LocalHost", ""] {
      #expect(status(host) == 200, "\(host)")
    }
    for host in ["a.example:8080", "localhost.example", "1.2.3.example", "1.2"] {
      #expect(status(host) == 403, "\(host)")
    }
    #expect(status("Board.local:8080", hosts: ["board.local"]) == 200)
  }

  @Test func pagesOfOtherSitesAreRefused() {
    let host = "127.0.0.1:8080"
    #expect(status(host, [("Origin", "http://127.0.0.1:8080")]) == 200)
    for origin in ["http://127.0.0.1:9090", "http://a.example", "null", "http://127.0.0.1:8080/a"] {
      #expect(status(host, [("Origin", origin)]) == 403, "\(origin)")
    }
  }

  @Test func oneOfTheKeysIsShown() {
    let keys = ["one", "two"]
    for text in ["Bearer two", "bearer  one"] {
      #expect(status("", keys: keys, [("Authorization", text)]) == 200, "\(text)")
    }
    for text in ["Bearer tw", "Bearer twos", "Basic two", "two", "Bearer"] {
      #expect(status("", keys: keys, [("Authorization", text)]) == 401, "\(text)")
    }
    #expect(status("", keys: keys) == 401)
    // Without keys, whatever a client shows passes.
    #expect(status("", [("authorization", "Bearer any")]) == 200)
  }

  /// Who tells a time-out, and is no proxy, gets interim answers.
  @Test func patienceFollowsTheClient() {
    func patience(_ fields: [(name: String, value: String)]) -> Patience {
      Patience(RequestHead(method: "POST", target: "/", authority: nil, fields: fields))
    }
    let name = "X-Stainless-Read-Timeout"
    #expect(patience([]) == .blanks)
    #expect(patience([(name, "NOT_GIVEN")]) == .blanks)
    #expect(patience([(name, "600")]) == .interim(everySeconds: 10))
    #expect(patience([(name, "7.5")]) == .interim(everySeconds: 2))
    #expect(patience([(name, "0.1")]) == .interim(everySeconds: 1))
    #expect(patience([(name, "600"), ("Via", "1.1 a")]) == .blanks)
    #expect(patience([(name, "600"), ("X-Forwarded-For", "10.0.0.1")]) == .blanks)
  }
}
