import Testing
import VARJSON
import VARServer
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Jobs that outlive their connections.
@Suite(.serialized) struct JobTests {
  private static let prompt = "Draw a big red circle on the left on a mint background."
  private let folder = TemporaryDirectory()

  private func body(_ members: String) -> String {
    "{\"type\": \"image.generation\", \"prompt\": \"\(Self.prompt)\", \(members)}"
  }

  @Test func aPictureIsFetchedLater() throws {
    let server = try ServerProgram()
    let started = try server.post("/varlite/v1/jobs", body("\"seed\": 7, \"n\": 2"))
    #expect(started.status == 202, "\(started.text)")
    let id = try #require(started.json["id"]?.stringValue)
    #expect(JobID.isOne(id))
    #expect(started.headers["location"] == "/varlite/v1/jobs/\(id)")
    #expect(try started.json["object"] == .string("varlite.job"))
    #expect(try started.json["result"] == nil && started.json["expires"] == nil)
    let job = JobClient(server, id: id)
    let ended = try job.ended()
    #expect(ended["status"] == .string("completed"), "\(ended.text)")
    let created = try #require(ended["created"]?.integerValue)
    #expect((3600...3700).contains((ended["expires"]?.integerValue ?? 0) - created))
    let addresses = ended["result"]?["data"]?.arrayValue?.map { $0["url"]?.stringValue ?? "" } ?? []
    #expect(addresses == ["\(job.path)/result", "\(job.path)/result?index=1"])
    for (address, seed) in zip(addresses, ["7", "8"]) {
      let file = try server.send("GET", address)
      #expect(file.headers["content-type"] == "image/png")
      #expect(try file.body == DemoModel.drawn(["generate", Self.prompt, "--seed", seed]))
    }
    // But for its time it is what the route of its kind answers.
    var whole = try #require(try job.now("?b64_json=1")["result"]?.objectValue)
    let direct = try server.post(
      "/v1/images/generations", "{\"prompt\": \"\(Self.prompt)\", \"seed\": 7, \"n\": 2}")
    whole["created"] = try direct.json["created"]
    #expect(try JSONValue.object(whole).text == direct.json.text)
    #expect(try server.send("GET", "\(job.path)/result?index=2").status == 404)
    let preview = try server.send("GET", "\(job.path)/preview?scale=3")
    #expect(try preview.body == server.send("GET", "\(job.path)/result").body)
    #expect(try server.send("PUT", job.path).headers["allow"] == "GET, DELETE")
  }

  @Test func aJobIsWatchedAndEnded() throws {
    let server = try ServerProgram()
    let first = try JobClient(server, body("\"size\": \"512x512\", \"n\": 10, \"seed\": 1"))
    let second = try JobClient(server, body("\"seed\": 2"))
    let waiting = try second.now()
    #expect(waiting["status"] == .string("queued") && waiting["queue_place"] == .integer(1))
    let running = try first.when { $0["preview"]?.stringValue != nil }
    #expect(running["status"] == .string("running"))
    let progress = try #require(running["progress"])
    #expect((0...1).contains(progress["fraction"]?.doubleValue ?? -1), "\(progress.text)")
    #expect(progress["scales"]?.integerValue ?? 0 > 4, "\(progress.text)")
    let address = try #require(running["preview"]?.stringValue)
    #expect(address.hasPrefix("\(first.path)/preview?scale="))
    let preview = try server.send("GET", address)
    #expect(preview.headers["content-type"] == "image/png")
    #expect(preview.body.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    let early = try server.send("GET", "\(first.path)/result")
    #expect(try early.status == 409 && early.error?["code"] == .string("job_not_completed"))
    let ended = try server.send("DELETE", first.path)
    #expect(try ended.status == 200 && ended.json["status"] == .string("cancelled"))
    #expect(try second.ended()["status"] == .string("completed"))
    // What has ended is forgotten by a second word.
    #expect(try first.now()["status"] == .string("cancelled"))
    #expect(try server.send("DELETE", first.path).status == 200)
    #expect(try server.send("GET", first.path).status == 404)
  }

  @Test func aVariationKeepsCoarseScales() throws {
    let server = try ServerProgram()
    let original = try JobClient(server, body("\"seed\": 7"))
    _ = try original.ended()
    let variation = try JobClient(
      server,
      """
      {"type": "image.generation", "like": "\(original.id)", "keep_scales": 4, "seed": 99,
       "size": "96x96"}
      """)
    let ended = try variation.ended()
    #expect(ended["status"] == .string("completed"), "\(ended.text)")
    folder.write("original.png", try server.send("GET", "\(original.path)/result").body)
    let wanted = try DemoModel.drawn([
      "generate", "--like", folder.file("original.png"), "--keep-scales", "4", "--seed", "99",
    ])
    #expect(try server.send("GET", "\(variation.path)/result").body == wanted)
    let wrong: [(members: String, param: String)] = [
      ("\"like\": \"\(original.id)\"", "keep_scales"),
      ("\"like\": \"\(original.id)\", \"keep_scales\": 40", "keep_scales"),
      ("\"like\": \"\(original.id)\", \"keep_scales\": 4, \"prompt\": \"no\"", "prompt"),
      ("\"like\": \"\(original.id)\", \"keep_scales\": 4, \"size\": \"1x1\"", "size"),
      ("\"like\": \"\(JobID.random())\", \"keep_scales\": 4", "like"),
      ("\"prompt\": \"a\", \"keep_scales\": 4", "keep_scales"),
      ("\"prompt\": \"a\", \"stream\": true", "stream"),
    ]
    for (members, param) in wrong {
      let answer = try server.post(
        "/varlite/v1/jobs", "{\"type\": \"image.generation\", \(members)}")
      #expect(try answer.error?["param"] == .string(param), "\(members): \(answer.text)")
    }
    for type in ["\"audio\"", "7"] {
      let answer = try server.post("/varlite/v1/jobs", "{\"type\": \(type)}")
      #expect(try answer.status == 400 && answer.error?["param"] == .string("type"))
    }
  }

  @Test func questionsAndEditsAreJobsToo() throws {
    let server = try ServerProgram()
    let source = try DemoModel.drawn(["generate", Self.prompt])
    let address = "data:image/png;base64,\(Base64.text(source))"
    let messages = """
      [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "\(address)"}},
        {"type": "text", "text": "What color is the circle?"}]}]
      """
    let asked = try JobClient(server, "{\"type\": \"chat\", \"messages\": \(messages)}").ended()
    let direct = try server.post("/v1/chat/completions", "{\"messages\": \(messages)}")
    let text = try direct.json["choices"]?.arrayValue?.first?["message"]?["content"]
    #expect(text != nil && asked["text"] == text, "\(asked.text)")
    #expect(try asked["result"]?["choices"] == direct.json["choices"])

    let instruction = "Turn the red circle blue."
    folder.write("source.png", source)
    let wanted = try DemoModel.drawn(["edit", instruction, "--image", folder.file("source.png")])
    let form = TestForm(fields: [("type", "image.edit"), ("prompt", instruction), ("seed", "0")])
    let answer = try server.connect().exchange(
      "POST", "/varlite/v1/jobs", headers: [form.contentType],
      body: form.body("image", file: source))
    let edit = JobClient(server, id: try answer.json["id"]?.stringValue ?? "")
    #expect(try edit.ended()["status"] == .string("completed"), "\(answer.text)")
    #expect(try server.send("GET", "\(edit.path)/result").body == wanted)
  }

  /// What has ended without a picture takes no room from pictures.
  @Test func onlyResultsCount() throws {
    let server = try ServerProgram(["--keep-bytes", "100K"])
    let picture = try JobClient(server, body("\"seed\": 7"))
    _ = try picture.ended()
    let long = try JobClient(server, body("\"size\": \"512x512\", \"n\": 10, \"seed\": 1"))
    let large = "\"user\": \"\(String(repeating: "a", count: 200_000))\""
    let waiting = try JobClient(server, body(large))
    for job in [waiting, long] { #expect(try server.send("DELETE", job.path).status == 200) }
    #expect(try waiting.now()["status"] == .string("cancelled"))
    #expect(try picture.now()["status"] == .string("completed"))
    #expect(try server.send("GET", "\(picture.path)/result").status == 200)
  }

  /// What is old is forgotten, and so is what takes too many bytes.
  @Test func resultsAreForgotten() throws {
    let server = try ServerProgram(["--keep-results", "1"])
    let job = try JobClient(server, body("\"seed\": 7"))
    _ = try job.ended()
    var statuses: [Int] = []
    while statuses.last != 404, statuses.count < 40 {
      statuses.append(try server.send("GET", job.path).status)
      usleep(100_000)
    }
    #expect(statuses.last == 404, "\(statuses)")

    let narrow = try ServerProgram(["--keep-bytes", "20K"])
    let jobs = try (0..<5).map { seed in
      let job = try JobClient(narrow, body("\"seed\": \(seed)"))
      _ = try job.ended()
      return job
    }
    #expect(try narrow.send("GET", jobs[0].path).status == 404)
    #expect(try jobs[4].now()["status"] == .string("completed"))
  }
}
