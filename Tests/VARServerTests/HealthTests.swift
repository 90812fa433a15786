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

/// Whether a server is well, and where it listens.
@Suite struct HealthTests {
  private func check(_ options: [String]) throws -> ProgramRunner.Result {
    try ProgramRunner.built("varlite-server").run(["--check-health"] + options)
  }

  @Test func containersAskWhetherItIsWell() throws {
    let server = try ServerProgram()
    let well = try check(["--port", "\(server.port)", "--host", "0.0.0.0"])
    #expect(well.status == 0 && well.errorText.isEmpty, "\(well.errorText)")
    #expect(try server.terminate() == 0)
    let gone = try check(["--port", "\(server.port)"])
    #expect(gone.status == 1 && gone.errorText.contains("nobody listens"), "\(gone.errorText)")
  }

  @Test func aSocketInTheFileSystemIsAPlace() throws {
    let folder = TemporaryDirectory()
    let socket = ["--socket", folder.file("socket")]
    let program = try ProgramRunner.built("varlite-server").start(socket)
    _ = try program.errorLine(containing: "unix:", seconds: 30)
    #expect(try check(socket).status == 0)
    let second = try ProgramRunner.built("varlite-server").run(socket)
    #expect(second.status == 4, "\(second.errorText)")
    #expect(second.errorText.contains("another server"), "\(second.errorText)")
    #expect(try check(socket).status == 0)
    // What a killed server left does not stop the next one.
    #expect(try program.end(9, seconds: 20) == 137)
    #expect(try check(socket).status == 1)
    let next = try ProgramRunner.built("varlite-server").start(socket)
    _ = try next.errorLine(containing: "unix:", seconds: 30)
    #expect(try check(socket).status == 0)
  }

  /// As systemd starts a program: the socket is there before.
  @Test func aSocketIsInherited() throws {
    let (socket, port) = try listeningSocket()
    defer { close(socket) }
    let server = try ProgramRunner.built("varlite-server").path
    let shell = ProgramRunner(path: "/bin/bash")
    // A client comes before the program is there.
    let client = try TestClient(port: port)
    try client.begin("GET", "/v1/models")
    let program = try shell.start([
      "-c", "exec 3<&\(socket); export LISTEN_FDS=1 LISTEN_PID=$$; exec \(server)",
    ])
    _ = try program.errorLine(containing: "an inherited socket, port \(port), serves", seconds: 30)
    #expect([200, 503].contains(try client.answer().status))
    #expect(try check(["--port", "\(port)"]).status == 0)
    #expect(try program.end(SIGTERM, seconds: 20) == 0)
    // What is meant for another process is left alone.
    let other = try shell.run([
      "-c", "export LISTEN_FDS=1 LISTEN_PID=1; exec \(server) --socket /proc/none",
    ])
    #expect(other.status == 4, "\(other.errorText)")
  }

  /// A socket that listens, and that programs inherit which are started now.
  private func listeningSocket() throws -> (socket: Int32, port: UInt16) {
    let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(made, $0, length) + listen(made, 16) + getsockname(made, $0, &length)
      }
    }
    guard result == 0 else { throw FixtureError("no socket") }
    return (made, UInt16(bigEndian: address.sin_port))
  }

  /// Whoever ends a server before it serves gets what it wanted.
  @Test func anEndWhileModelsAreOpenedIsInOrder() throws {
    for milliseconds in [UInt32(0), 5, 20] {
      let program = try ProgramRunner.built("varlite-server").start(["--port", "0"])
      _ = try program.errorLine(containing: "demo model", seconds: 30)
      usleep(milliseconds * 1000)
      #expect(try program.end(SIGTERM, seconds: 20) == 0, "\(milliseconds)")
    }
  }

  /// What a model keeps for later requests goes when there are none.
  @Test func idleModelsGiveMemoryBack() async throws {
    let runtime = try Runtime()
    let service = try DemoModel.service(runtime, options: Model.Options(residency: .load)) {
      $0.modelIdleSeconds = 0
    }
    let head = RequestHead(
      method: "POST", target: "/v1/chat/completions", authority: nil, fields: [])
    let body = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"max_tokens\": 1}"
    let answer = try await service.answer(.chat, head, body: Array(body.utf8))
    #expect(answer.status == 200)
    #expect(runtime.snapshot.retainedWeightBytes > 0)
    service.tidy()
    #expect(runtime.snapshot.retainedWeightBytes == 0)
    runtime.close()
  }

  /// Before there is a model, whoever asks is told to wait.
  @Test func modelsAreOpenedWhileClientsCome() async throws {
    let runtime = try Runtime()
    let service = Service(runtime, ServerSettings(secondsSince1970: { 0 }))
    let question = "{\"type\": \"chat\", \"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}"
    let job = "/varlite/v1/jobs/\(JobID.random())"
    let routes = [
      ("GET", "/health"), ("GET", "/v1/models"), ("POST", "/varlite/v1/jobs"), ("GET", job),
      ("DELETE", job), ("GET", "\(job)/result"),
    ]
    for (method, path) in routes {
      let head = RequestHead(method: method, target: path, authority: nil, fields: [])
      let answer = try await service.answer(
        try service.route(head), head, body: Array(question.utf8))
      #expect(answer.status == 503, "\(path)")
      #expect(answer.headers.contains { $0.name == "retry-after" && $0.value == "1" }, "\(path)")
      guard case .whole(let bytes) = answer.body else { continue }
      #expect(try JSONValue(parsing: bytes)["error"]?["code"] == .string("loading"))
    }
    let head = RequestHead(method: "GET", target: "/metrics", authority: nil, fields: [])
    #expect(try await service.answer(try service.route(head), head, body: []).status == 200)
    runtime.close()
  }
}
