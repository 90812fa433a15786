import Testing
import VARServer
import VARTestSupport

/// The web page that the program brings with it.
@Suite struct PageTests {
  private let server: ServerProgram

  init() throws { server = try ServerProgram() }

  private func file(_ path: String) throws -> TestAnswer { try server.send("GET", path) }

  private static let repository = #filePath.split(separator: "/").dropLast(3)
    .map { "/\($0)" }.joined()

  /// Files are served as they stand in the repository, under names and with types that browsers take.
  @Test func thePageIsPartOfTheProgram() throws {
    for page in PageFile.allCases {
      let answer = try file(page.rawValue)
      let name = page == .index ? "/index.html" : page.rawValue
      let wanted = try Fixtures.readFile("\(Self.repository)/Sources/VARServer/Page\(name)")
      #expect(answer.status == 200 && answer.body == wanted, "\(page)")
      let ending = name.split(separator: ".").last ?? ""
      let types = ["html": "text/html", "css": "text/css", "svg": "image/svg+xml"]
      let type = types[String(ending)] ?? "text/javascript"
      #expect(answer.headers["content-type"]?.hasPrefix(type) == true, "\(page)")
      #expect(answer.headers["x-content-type-options"] == "nosniff")
    }
  }

  @Test func thePageIsSmall() {
    #expect(PageFile.allCases.reduce(0) { $0 + $1.bytes.count } <= 60_000)
  }

  /// A page that needed another server would be of no use without one.
  @Test func nothingComesFromElsewhere() throws {
    for page in PageFile.allCases {
      let text = try file(page.rawValue).text
      let addresses = text.ranges(of: /https?:\/\/[a-z0-9.]+/).map { text[$0] }
      #expect(addresses.allSatisfy { $0 == "http://www.w3.org" }, "\(page): \(addresses)")
    }
    let policy = try #require(try file("/").headers["content-security-policy"])
    #expect(policy.hasPrefix("default-src 'self'; img-src 'self' blob:;"))
    #expect(!policy.contains("unsafe") && !policy.contains("*") && !policy.contains("http"))
  }

  /// Every file that one of the page's files names is there.
  @Test func whatThePageNamesIsThere() throws {
    for page in PageFile.allCases {
      let text = try file(page.rawValue).text
      for match in text.matches(of: /(?:from "\.|href="|src=")(\/[a-z.]+)"/) {
        #expect(PageFile(rawValue: String(match.1)) != nil, "\(page) names \(match.1)")
      }
    }
  }

  /// The page asks for the key: it has to come without one.
  @Test func thePageNeedsNoKey() throws {
    let folder = TemporaryDirectory()
    folder.write("keys", "a-key\n")
    let server = try ServerProgram(["--api-key-file", folder.file("keys")])
    #expect(try server.send("GET", "/").status == 200)
    #expect(try server.send("GET", "/page.js").status == 200)
    #expect(try server.send("GET", "/v1/models").status == 401)
    #expect(try self.server.send("POST", "/", body: "").status == 405)
    #expect(try server.send("GET", "/", headers: ["Host: attacker.example"]).status == 403)
  }
}
