import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What nobody sends who means well. The slow rows are in `.ci/serve`.
@Suite(.serialized) struct HostileTests {
  private static let chat = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"

  /// Requests that cannot be read, and the status and the code that answer them.
  private static let requests: [(name: String, text: String, status: Int, code: String)] = [
    (
      "header of 200 KB",
      "GET /health HTTP/1.1\r\nHost: localhost\r\nA: "
        + String(repeating: "a", count: 200_000) + "\r\n\r\n", 431, "head_too_large"
    ),
    (
      "5,000 headers",
      "GET /health HTTP/1.1\r\nHost: localhost\r\n"
        + (0..<5000).map { "A\($0): b\r\n" }.joined() + "\r\n", 431, "head_too_large"
    ),
    ("garbage", "\u{1}\u{2}\u{3} garbage \u{7f}\r\n\r\n", 400, "invalid_http"),
    (
      "length and encoding",
      chat + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400,
      "invalid_http"
    ),
    (
      "two encodings",
      chat + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400, "invalid_http"
    ),
  ]

  @Test func whatCannotBeReadIsAnError() throws {
    let server = try ServerProgram()
    for (name, text, status, code) in Self.requests {
      let client = try server.connect()
      try? client.send(Array(text.utf8))
      let answer = try client.answer()
      #expect(answer.status == status, "\(name): \(answer.status)")
      #expect(try answer.error?["code"] == .string(code), "\(name): \(answer.text)")
      #expect(answer.isWhole && answer.headers["connection"] == "close", "\(name)")
    }
    // In the middle of a body, the connection ends.
    let client = try server.connect()
    try client.send(Array((Self.chat + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n").utf8))
    #expect(try !client.rest().contains("200"))
    #expect(try server.send("GET", "/health").status == 200)
  }

  /// A client that takes nothing of its answers does not hold up the end.
  @Test func whoTakesNothingIsLeft() throws {
    let server = try ServerProgram(["--stop-seconds", "1"])
    let client = try server.connect()
    let request = "GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try client.send(Array(String(repeating: request, count: 2000).utf8))
    usleep(500_000)
    #expect(try server.terminate() == 0)
    client.reset()
  }

  /// Whoever goes away in the middle leaves nothing behind.
  @Test func whoGoesAwayLeavesNothing() throws {
    let server = try ServerProgram()
    let body = "{\"prompt\": \"Draw it.\", \"n\": 10, \"size\": \"512x512\", \"stream\": true}"
    for isReset in [false, true] {
      let client = try server.connect()
      try client.begin("POST", "/v1/images/generations", body: Array(body.utf8))
      try client.receive(until: "text/event-stream")
      if isReset { client.reset() } else { client.closeHalf() }
      var isRunning = true
      for _ in 0..<100 where isRunning {
        usleep(20_000)
        isRunning = try !server.send("GET", "/metrics").text.contains("\nvarlite_jobs_running 0\n")
      }
      #expect(!isRunning, "reset: \(isReset)")
    }
    #expect(try server.send("GET", "/health").status == 200)
  }
}
