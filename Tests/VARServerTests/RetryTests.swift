import Testing
import VARJSON
import VARLite
import VARServer
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Clients that give up at their time-out, and ask again.
@Suite(.serialized) struct RetryTests {
  private static let path = "/v1/images/generations"
  private static let body = Array(
    "{\"prompt\": \"Draw a big red circle.\", \"seed\": 7, \"size\": \"512x512\"}".utf8)

  /// What a client states that gives up early. Behind a proxy nothing keeps it waiting.
  private func headers(retry: Int, seconds: String = "0.3") -> [String] {
    ["Via: 1.1 proxy", "x-stainless-read-timeout: \(seconds)", "x-stainless-retry-count: \(retry)"]
  }

  private func figure(_ name: String, _ server: ServerProgram) throws -> String? {
    try server.send("GET", "/metrics").text.split(separator: "\n")
      .first { $0.hasPrefix(name) }.map(String.init)
  }

  @Test func whoAsksAgainGetsWhatItWaitedFor() throws {
    let server = try ServerProgram()
    for retry in 0..<2 {
      let client = try server.connect()
      try client.begin("POST", Self.path, headers: headers(retry: retry), body: Self.body)
      usleep(700_000)
      // It closes its connection here.
      _ = client
    }
    let answer = try server.connect().exchange(
      "POST", Self.path, headers: headers(retry: 2, seconds: "60"), body: Self.body)
    #expect(answer.status == 200, "\(answer.text.prefix(300))")
    // One picture was drawn, not three.
    let started = "varlite_jobs_started_total{task=\"drawing\"}"
    #expect(try figure(started, server) == "\(started) 1")
    // An answer is given once.
    let other = try server.connect().exchange(
      "POST", Self.path, headers: headers(retry: 1, seconds: "60"),
      body: Array("{\"prompt\": \"Draw a big red circle.\", \"seed\": 7}".utf8))
    #expect(other.status == 200)
    #expect(try figure(started, server) == "\(started) 2")
  }

  /// Whoever left, came back and left again is waited for anew; the one that left waits for nothing any more.
  @Test func theLastDepartureCounts() async throws {
    let runtime = try Runtime()
    let service = try DemoModel.service(runtime) { $0.keptWorkSeconds = 2 }
    /// Asks, and leaves after so many seconds.
    func ask(_ seed: Int, retry: Int, seconds: Double) async throws {
      let head = RequestHead(
        method: "POST", target: Self.path, authority: nil,
        fields: headers(retry: retry).map { line in
          let parts = line.split(separator: ":", maxSplits: 1)
          return (name: String(parts[0]), value: String(parts[1].dropFirst()))
        })
      let body = "{\"prompt\": \"Draw it.\", \"seed\": \(seed), \"size\": \"512x512\", \"n\": 10}"
      let task = Task { try await service.answer(.generations, head, body: Array(body.utf8)) }
      try await Task.sleep(for: .seconds(seconds))
      task.cancel()
      _ = await task.result
    }
    // Other tests may hold this one up until the times are over that it is about: then it begins anew.
    let clock = ContinuousClock()
    var wasInTime = false
    for seed in 0..<60 where !wasInTime {
      try await ask(seed, retry: 0, seconds: 0.4)
      let first = clock.now
      try await Task.sleep(for: .seconds(0.8))
      try await ask(seed, retry: 1, seconds: 0.4)
      let second = clock.now
      // The first departure's time is over here, the second one's is not.
      try await Task.sleep(until: first + .seconds(2.3), clock: clock)
      let runningCount = service.queue.runningCount
      wasInTime = second - first < .seconds(1.9) && clock.now - second < .seconds(1.9)
      if wasInTime { #expect(runningCount == 1) }
      var checks = 0
      while service.queue.runningCount > 0, checks < 600 {
        try await Task.sleep(for: .seconds(0.1))
        checks += 1
      }
      #expect(service.queue.runningCount == 0)
    }
    #expect(wasInTime)
    runtime.close()
  }

  /// Whoever leaves early does not come back, and another request is another one.
  @Test func whoLeavesEarlyEndsItsWork() throws {
    let server = try ServerProgram()
    var client: TestClient? = try server.connect()
    try client?.begin(
      "POST", Self.path, headers: headers(retry: 0, seconds: "20"), body: Self.body)
    var isRunning = false
    for _ in 0..<100 where !isRunning {
      usleep(20_000)
      isRunning = try figure("varlite_jobs_running", server) == "varlite_jobs_running 1"
    }
    #expect(isRunning)
    client = nil
    for _ in 0..<100 where isRunning {
      usleep(20_000)
      isRunning = try figure("varlite_jobs_running", server) == "varlite_jobs_running 1"
    }
    #expect(!isRunning)
    #expect(try figure("varlite_jobs_cancelled_total", server)?.hasSuffix(" 1") == true)
  }
}
