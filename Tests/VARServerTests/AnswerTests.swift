import Testing
import VARJSON
import VARServer
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the program computes is what `varlite` computes.
@Suite(.serialized) struct AnswerTests {
  private static let prompt = "Draw a big red circle on the left on a mint background."
  private let folder = TemporaryDirectory()

  private func pictures(_ answer: TestAnswer) throws -> [[UInt8]] {
    let data = try answer.json["data"]?.arrayValue ?? []
    return data.compactMap { $0["b64_json"]?.stringValue.flatMap { Base64.bytes($0.utf8) } }
  }

  @Test func aPictureHasTheBytesOfTheCommand() throws {
    let server = try ServerProgram()
    let answer = try server.post(
      "/v1/images/generations",
      """
      {"model": "dall-e-2", "prompt": "\(Self.prompt)", "seed": 7, "n": 2, "size": "auto",
       "response_format": "b64_json", "quality": "high", "user": "u", "background": "auto"}
      """)
    #expect(answer.status == 200, "\(answer.text.prefix(300))")
    let files = try pictures(answer)
    #expect(try files.first == DemoModel.drawn(["generate", Self.prompt, "--seed", "7"]))
    #expect(try files.last == DemoModel.drawn(["generate", Self.prompt, "--seed", "8"]))
    #expect(try answer.json["seed"] == .integer(7))
    #expect(try answer.json["size"] == .string("96x96"))
    #expect(try answer.json["usage"]?["output_tokens"]?.integerValue ?? 0 > 0)
  }

  @Test func previewsComeBeforeThePicture() throws {
    let server = try ServerProgram()
    let answer = try server.post(
      "/v1/images/generations",
      "{\"prompt\": \"\(Self.prompt)\", \"seed\": 7, \"stream\": true, \"partial_images\": 2}")
    let (events, isDone) = try answer.events
    #expect(isDone && answer.isWhole)
    let kind = "image_generation"
    #expect(
      events.map { $0["type"] }
        == ["partial_image", "partial_image", "completed"].map { .string("\(kind).\($0)") })
    #expect(events.prefix(2).map { $0["partial_image_index"] } == [.integer(0), .integer(1)])
    let last = try #require(events.last?["b64_json"]?.stringValue)
    #expect(
      try Base64.bytes(last.utf8)
        == DemoModel.drawn(["generate", Self.prompt, "--seed", "7"]))
    #expect(events[0]["b64_json"] != events[2]["b64_json"])
  }

  @Test func aPictureIsChangedByFormAndByJSON() throws {
    let server = try ServerProgram()
    let source = try DemoModel.drawn(["generate", Self.prompt])
    folder.write("source.png", source)
    let instruction = "Turn the red circle blue."
    let wanted = try DemoModel.drawn(["edit", instruction, "--image", folder.file("source.png")])
    let edited = try server.post(
      "/v1/images/edits",
      """
      {"prompt": "\(instruction)", "seed": 0,
       "images": [{"image_url": "data:image/png;base64,\(Base64.text(source))"}]}
      """)
    #expect(try pictures(edited) == [wanted])
    let form = TestForm(fields: [("prompt", instruction), ("seed", "0"), ("n", "1")])
    for field in ["image", "image[]"] {
      let answer = try server.connect().exchange(
        "POST", "/v1/images/edits", headers: [form.contentType],
        body: form.body(field, file: source))
      #expect(answer.status == 200, "\(answer.text.prefix(300))")
      #expect(try pictures(answer) == pictures(edited))
    }
    let masked = try server.connect().exchange(
      "POST", "/v1/images/edits", headers: [form.contentType],
      body: form.body("mask", file: source))
    #expect(masked.status == 400)
    #expect(try masked.error?["param"] == .string("mask"))
  }

  @Test func aQuestionHasTheAnswerOfTheCommand() throws {
    let server = try ServerProgram()
    let picture = try DemoModel.drawn(["generate", Self.prompt])
    folder.write("source.png", picture)
    let question = "What color is the circle?"
    let told = try ProgramRunner.built("varlite").run([
      "understand", question, "--image", folder.file("source.png"), "--quiet",
    ])
    let wanted = told.text.split(separator: "\n").joined(separator: "\n")
    let address = "data:image/png;base64,\(Base64.text(picture))"
    let messages = """
      [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "\(address)"}},
        {"type": "text", "text": "\(question)"}]}]
      """
    let plain = try server.post("/v1/chat/completions", "{\"messages\": \(messages)}")
    #expect(plain.status == 200, "\(plain.text)")
    let choice = try #require(plain.json["choices"]?.arrayValue?.first)
    #expect(choice["message"]?["content"] == .string(wanted))
    #expect(choice["finish_reason"] == .string("stop"))
    #expect(try plain.json["usage"]?["prompt_tokens"]?.integerValue ?? 0 > 10)

    let stream = try server.post(
      "/v1/chat/completions",
      """
      {"messages": \(messages), "stream": true, "stream_options": {"include_usage": true}}
      """)
    let (events, isDone) = try stream.events
    #expect(isDone && stream.isWhole)
    #expect(stream.headers["content-type"] == "text/event-stream")
    let pieces = events.compactMap {
      $0["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue
    }
    #expect(pieces.joined() == wanted)
    #expect(events.last?["choices"] == .array([]))
    #expect(
      try events.last?["usage"]?["completion_tokens"] == plain.json["usage"]?["completion_tokens"])

    let short = try server.post(
      "/v1/chat/completions", "{\"messages\": \(messages), \"max_completion_tokens\": 1}")
    let cut = try #require(short.json["choices"]?.arrayValue?.first)
    #expect(cut["finish_reason"] == .string("length"))
  }

  /// What is asked for in vain, and the field that the answer blames.
  @Test func impossibleFieldsAreNamed() throws {
    let server = try ServerProgram()
    let hello = "\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]"
    func picture(_ address: String) -> String {
      """
      {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url":
        {"url": "\(address)"}}]}]}
      """
    }
    let place = "messages[0].content[0].image_url"
    let chat: [(body: String, param: String)] = [
      ("{}", "messages"), ("{\"messages\": []}", "messages"),
      ("{\(hello), \"n\": 2}", "n"), ("{\(hello), \"tools\": [{}]}", "tools"),
      ("{\(hello), \"response_format\": {\"type\": \"json_schema\"}}", "response_format"),
      ("{\(hello), \"temperature\": \"hot\"}", "temperature"),
      ("{\(hello), \"max_tokens\": 0}", "max_tokens"), ("{\(hello), \"stop\": [\"\"]}", "stop"),
      ("{\"messages\": [{\"role\": \"tool\", \"content\": \"\"}]}", "messages[0].role"),
      (picture("http://example.com/a.png"), place), (picture("file:///etc/passwd"), place),
      (picture("/etc/passwd"), place), (picture("data:image/png;base64,AAAA"), place),
    ]
    for (body, param) in chat {
      let answer = try server.post("/v1/chat/completions", body)
      #expect(answer.status == 400, "\(body): \(answer.text)")
      #expect(try answer.error?["param"] == .string(param), "\(body): \(answer.text)")
    }
    let images: [(body: String, param: String)] = [
      ("{}", "prompt"), ("{\"prompt\": \" \"}", "prompt"),
      ("{\"prompt\": \"a\", \"n\": 11}", "n"),
      ("{\"prompt\": \"a\", \"n\": 2, \"seed\": \(Int.max)}", "seed"),
      ("{\"prompt\": \"a\", \"size\": \"31x17\"}", "size"),
      ("{\"prompt\": \"a\", \"output_format\": \"webp\"}", "output_format"),
      ("{\"prompt\": \"a\", \"partial_images\": 4}", "partial_images"),
    ]
    for (body, param) in images {
      let answer = try server.post("/v1/images/generations", body)
      #expect(answer.status == 400, "\(body): \(answer.text)")
      #expect(try answer.error?["param"] == .string(param), "\(body): \(answer.text)")
    }
    let none = try server.post("/v1/images/edits", "{\"prompt\": \"a\"}")
    #expect(try none.error?["param"] == .string("image"))
  }

  /// Ten pictures take far longer than the time in which the place is free again.
  @Test func aClosedConnectionEndsItsWork() throws {
    let server = try ServerProgram(["--max-queue", "0"])
    let body = "{\"prompt\": \"\(Self.prompt)\", \"n\": 10, \"size\": \"512x512\"}"
    let one = "{\"prompt\": \"\(Self.prompt)\"}"
    var client: TestClient? = try server.connect()
    try client?.begin("POST", "/v1/images/generations", body: Array(body.utf8))
    // The one place is taken.
    var isRunning = false
    for _ in 0..<200 where !isRunning {
      usleep(50_000)
      isRunning = try server.send("GET", "/metrics").text.contains("\nvarlite_jobs_running 1\n")
    }
    #expect(isRunning)
    let refused = try server.post("/v1/images/generations", one)
    #expect(refused.status == 503, "\(refused.text)")
    #expect(try refused.error?["code"] == .string("queue_full"))
    #expect(refused.headers["x-should-retry"] == "false" || refused.headers["retry-after"] != nil)
    client = nil
    var statuses: [Int] = []
    while statuses.last != 200, statuses.count < 20 {
      usleep(100_000)
      statuses.append(try server.post("/v1/images/generations", one).status)
    }
    #expect(statuses.last == 200, "\(statuses)")
    #expect(try server.terminate() == 0)
  }

  /// A client that tells how long it waits is told that its answer is being made.
  @Test func whoWaitsLongIsKeptWaiting() throws {
    let server = try ServerProgram()
    let client = try server.connect()
    let body = "{\"prompt\": \"\(Self.prompt)\", \"n\": 10, \"size\": \"512x512\"}"
    try client.begin(
      "POST", "/v1/images/generations", headers: ["x-stainless-read-timeout: 2"],
      body: Array(body.utf8))
    try client.receive(until: "HTTP/1.1 102 Processing\r\n\r\n")
    try client.receive(until: "HTTP/1.1 102 Processing\r\n\r\n")
  }

  @Test func figuresTellWhatWasDone() throws {
    let server = try ServerProgram()
    #expect(try server.post("/v1/images/generations", "{\"prompt\": \"Draw it.\"}").status == 200)
    #expect(try server.post("/v1/images/generations", "{}").status == 400)
    let page = try server.send("GET", "/metrics")
    #expect(page.headers["content-type"]?.hasPrefix("text/plain") == true)
    let lines = Set(page.text.split(separator: "\n"))
    let wanted = [
      "varlite_requests_total{route=\"generations\",code=\"200\"} 1",
      "varlite_requests_total{route=\"generations\",code=\"400\"} 1",
      "varlite_jobs_started_total{task=\"drawing\"} 1", "varlite_jobs_running 0",
      "varlite_job_seconds_count{task=\"drawing\"} 1",
      "varlite_job_seconds_bucket{task=\"drawing\",le=\"+Inf\"} 1",
    ]
    for line in wanted { #expect(lines.contains(line[...]), "\(line) in \(page.text)") }
    // Every family says what it is before its first line.
    var described: Set<Substring> = []
    for line in page.text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words[0] == "#" {
        described.insert(words[2])
      } else {
        let name = words[0].prefix { $0 != "{" }
        let endings = ["_bucket", "_sum", "_count"].map { $0[...] }
        let family = endings.first { name.hasSuffix($0) }.map { name.dropLast($0.count) } ?? name
        #expect(described.contains(family), "\(line)")
        #expect(words.last.flatMap { Double($0) } != nil, "\(line)")
      }
    }
  }

  /// The program ends in order while something runs that takes longer than it may.
  @Test func aRunningJobIsStoppedAtTheEnd() throws {
    let server = try ServerProgram(["--stop-seconds", "0"])
    let client = try server.connect()
    let body =
      "{\"prompt\": \"\(Self.prompt)\", \"n\": 10, \"size\": \"512x512\", \"stream\": true}"
    try client.begin("POST", "/v1/images/generations", body: Array(body.utf8))
    try client.receive(until: "text/event-stream")
    #expect(try server.terminate() == 0)
    // What is half written does not look whole, or says what happened.
    let rest = try client.rest()
    #expect(!rest.contains("[DONE]") && rest.contains("\"stopping\""), "\(rest)")
  }
}
