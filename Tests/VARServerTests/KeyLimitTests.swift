import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A key has a part of the queue alone.
@Suite struct KeyLimitTests {
  private let folder = TemporaryDirectory()

  private static let long =
    "{\"type\": \"image.generation\", \"prompt\": \"Draw it.\", \"n\": 10, \"size\": \"512x512\"}"
  private static let question =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"max_tokens\": 1}"

  /// Routes that compute, and what they take.
  private static let requests = [
    ("/varlite/v1/jobs", long), ("/v1/chat/completions", question),
    ("/v1/images/generations", "{\"prompt\": \"Draw it.\", \"stream\": true}"),
    ("/sdapi/v1/txt2img", "{\"prompt\": \"Draw it.\"}"),
  ]

  @Test func aKeyDoesNotFillTheQueueAlone() throws {
    folder.write("keys", "one\ntwo\n")
    let server = try ServerProgram([
      "--api-key-file", folder.file("keys"), "--max-queue-per-key", "2",
    ])
    func post(_ path: String, _ body: String, key: String) throws -> TestAnswer {
      try server.send("POST", path, headers: ["Authorization: Bearer \(key)"], body: body)
    }
    // One runs, the other one waits: both count.
    let jobs = try (0..<2).map { _ in try post("/varlite/v1/jobs", Self.long, key: "one") }
    #expect(jobs.map(\.status) == [202, 202])
    for (path, body) in Self.requests {
      let refused = try post(path, body, key: "one")
      #expect(refused.status == 429, "\(path): \(refused.text)")
      #expect(try refused.error?["type"] == .string("rate_limit_error"))
      #expect(try refused.error?["code"] == .string("rate_limit_exceeded"))
      #expect(refused.headers["x-should-retry"] == "false" || refused.headers["retry-after"] != nil)
    }
    #expect(try post("/v1/chat/completions", Self.question, key: "two").status == 200)
    let ended = try server.send(
      "DELETE", jobs[1].headers["location"] ?? "", headers: ["Authorization: Bearer one"])
    #expect(ended.status == 200)
    var status = 429
    for _ in 0..<100 where status == 429 {
      usleep(20_000)
      status = try post("/v1/chat/completions", Self.question, key: "one").status
    }
    #expect(status == 200)
  }

  @Test func aLimitNeedsKeys() throws {
    folder.write("keys", "one\n")
    let keys = ["--api-key-file", folder.file("keys")]
    for options in [["--max-queue-per-key", "2"], keys + ["--max-queue-per-key", "0"]] {
      let result = try ProgramRunner.built("varlite-server").run(options)
      #expect(result.status == 2, "\(result.errorText)")
      #expect(result.errorText.contains("--max-queue-per-key"), "\(result.errorText)")
    }
  }
}
