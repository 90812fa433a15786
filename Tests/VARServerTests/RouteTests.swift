import Testing
import VARJSON
import VARTestSupport

/// What the program answers without computing.
@Suite struct RouteTests {
  @Test func healthAndModelsAreTold() throws {
    let server = try ServerProgram()
    let health = try server.send("GET", "/health")
    #expect(health.status == 200 && health.isWhole)
    #expect(try health.json["status"] == .string("ok"))
    let models = try server.send("GET", "/v1/models")
    let entry = try #require(models.json["data"]?.arrayValue?.first)
    #expect(entry["id"] == .string("shapes"))
    #expect(entry["object"] == .string("model"))
    #expect(try server.send("GET", "/v1/models/shapes").json["id"] == .string("shapes"))
    #expect(try server.send("GET", "/v1/models/other").status == 404)
    #expect(try server.terminate() == 0)
  }

  @Test func whatIsNotThereIsRefusedAsAnErrorObject() throws {
    let server = try ServerProgram(["--max-body", "1K"])
    let cases: [(answer: TestAnswer, status: Int, code: String)] = [
      (try server.send("GET", "/v1/unknown"), 404, "unknown_url"),
      (try server.send("DELETE", "/v1/models"), 405, "method_not_allowed"),
      (try server.post("/v1/chat/completions", "{"), 400, "invalid_json"),
      (try server.post("/v1/chat/completions", "[]"), 400, "invalid_json"),
      (
        try server.post("/v1/chat/completions", String(repeating: " ", count: 5000)), 413,
        "body_too_large"
      ),
      (
        try server.connect().exchange(
          "POST", "/v1/chat/completions", headers: ["Expect: something"], body: []), 417,
        "expectation_failed"
      ),
      (
        try server.send("GET", "/health", headers: ["Host: attacker.example"]), 403,
        "host_not_allowed"
      ),
      (
        try server.send("GET", "/v1/models", headers: ["Origin: http://attacker.example"]), 403,
        "origin_not_allowed"
      ),
    ]
    for (answer, status, code) in cases {
      #expect(answer.status == status, "\(answer.text)")
      #expect(try answer.error?["code"] == .string(code))
      #expect(try answer.error?["message"]?.stringValue?.isEmpty == false)
      #expect(try Set(answer.error?.objectValue?.members.map(\.key) ?? []).count == 4)
      #expect(answer.isWhole)
    }
    #expect(cases[1].answer.headers["allow"] == "GET")
    // A body whose length nobody tells.
    let client = try server.connect()
    try client.begin("POST", "/v1/chat/completions", headers: ["Transfer-Encoding: chunked"])
    try client.send(Array("800\r\n\(String(repeating: " ", count: 2048))\r\n0\r\n\r\n".utf8))
    #expect(try client.answer().status == 413)
    #expect(try server.send("GET", "/health").status == 200)
  }

  @Test func aKeyIsDemanded() throws {
    let folder = TemporaryDirectory()
    folder.write("keys", "# of the house\nfirst-key\nsecond-key\n")
    let server = try ServerProgram(["--api-key-file", folder.file("keys")])
    let refused = try server.send("GET", "/v1/models")
    #expect(refused.status == 401)
    #expect(refused.headers["www-authenticate"] == "Bearer")
    #expect(try refused.error?["code"] == .string("invalid_api_key"))
    let wrong = ["Authorization: Bearer first-kez"]
    #expect(try server.send("GET", "/v1/models", headers: wrong).status == 401)
    // Who may not come in does not learn what there is.
    #expect(try server.send("GET", "/v1/unknown").status == 401)
    let right = ["Authorization: Bearer second-key"]
    #expect(try server.send("GET", "/v1/models", headers: right).status == 200)
    #expect(try server.send("GET", "/health").status == 200)
  }

  @Test func aConnectionServesManyRequests() throws {
    let server = try ServerProgram()
    let client = try server.connect()
    for _ in 0..<3 {
      try client.send(Array("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
      try client.receive(until: "{\"status\":\"ok\"}")
    }
    let unread = try client.exchange("GET", "/health")
    #expect(unread.status == 200)
  }

  @Test func wrongOptionsAreUsageErrors() throws {
    let program = try ProgramRunner.built("varlite-server")
    for options in [["--port", "70000"], ["--host", "0.0.0.0"], ["--max-body", "1"]] {
      let result = try program.run(options)
      #expect(result.status == 2, "\(result.errorText)")
    }
    #expect(try program.run(["--model", "/nowhere.vq4"]).status == 3)
    #expect(try program.run(["--api-key-file", "/nowhere"]).status == 3)
    let server = try ServerProgram()
    let taken = try program.run(["--port", "\(server.port)"])
    #expect(taken.status == 4, "\(taken.errorText)")
    #expect(
      taken.errorText.hasSuffix(
        "cannot listen on http://127.0.0.1:\(server.port): Address already in use; another program "
          + "has it: end that one, or choose another --port\n"), "\(taken.errorText)")
  }
}
