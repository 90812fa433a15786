import Testing
import VARJSON
import VARServer
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Jobs that outlive their server.
@Suite(.serialized) struct StateTests {
  private static let prompt = "Draw a big red circle on the left on a mint background."
  private let folder = TemporaryDirectory()

  private var state: String { folder.file("state") }
  private var options: [String] { ["--state", state] }

  private func drawing(_ members: String) -> String {
    "{\"type\": \"image.generation\", \"prompt\": \"\(Self.prompt)\", \(members)}"
  }

  private func server() throws -> ServerProgram { try ServerProgram(options) }

  /// The files of the folder that end so.
  private func files(_ ending: String) -> [String] {
    TemporaryDirectory.names(of: state).filter { $0.hasSuffix(ending) }
  }

  @Test func aKilledJobGoesOnToTheSameBytes() throws {
    var random = SplitMix64(seed: 19)
    let body = drawing("\"seed\": 7, \"n\": 2, \"size\": \"256x256\"")
    let undisturbed = try ServerProgram()
    let whole = try JobClient(undisturbed, body)
    let wanted = try whole.ended()["status"]
    let files = try (0..<2).map { try undisturbed.send("GET", "\(whole.path)/result?index=\($0)") }

    var server = try server()
    let job = try JobClient(server, body)
    for _ in 0..<4 {
      usleep(UInt32(random.next() % 300_000))
      try server.kill()
      server = try self.server()
    }
    let again = JobClient(server, id: job.id)
    let ended = try again.ended()
    #expect(ended["status"] == wanted && wanted == .string("completed"), "\(ended.text)")
    for (index, file) in files.enumerated() {
      let path = "\(again.path)/result?index=\(index)"
      #expect(try server.send("GET", path).body == file.body)
    }
    // A finished job is there after a start too, and variations begin like it.
    try server.kill()
    server = try self.server()
    let finished = JobClient(server, id: job.id)
    #expect(try finished.now().text == ended.text)
    #expect(self.files(".drawing").isEmpty)
    let variation = try JobClient(
      server,
      "{\"type\": \"image.generation\", \"like\": \"\(job.id)\", \"keep_scales\": 3, \"seed\": 1}")
    try server.kill()
    server = try self.server()
    #expect(try JobClient(server, id: variation.id).ended()["status"] == .string("completed"))
    // What is forgotten leaves nothing.
    #expect(try server.send("DELETE", job.path).status == 200)
    #expect(try server.send("DELETE", variation.path).status == 200)
    #expect(TemporaryDirectory.names(of: state) == ["lock"])
  }

  /// The order of those that wait stays, and an end in order stores them too.
  @Test func waitingJobsWaitAgain() throws {
    var server = try server()
    let long = drawing("\"seed\": 1, \"n\": 10, \"size\": \"512x512\"")
    let jobs = try [long, long, drawing("\"seed\": 3")].map { try JobClient(server, $0) }
    #expect(try server.terminate() == 0)
    server = try self.server()
    let again = jobs.map { JobClient(server, id: $0.id) }
    #expect(try again[1].now()["queue_place"] == .integer(1))
    #expect(try again[2].now()["queue_place"] == .integer(2))
    for job in again[..<2] { #expect(try server.send("DELETE", job.path).status == 200) }
    #expect(try again[2].ended()["status"] == .string("completed"))
  }

  @Test func damagedFilesAreLeftOut() throws {
    var server = try server()
    let finished = try JobClient(server, drawing("\"seed\": 3"))
    let ended = try finished.ended()
    let broken = try JobClient(server, drawing("\"seed\": 4"))
    _ = try broken.ended()
    let running = try JobClient(server, drawing("\"seed\": 5, \"n\": 3, \"size\": \"256x256\""))
    _ = try running.when { _ in files(".0.drawing").contains("\(running.id).0.drawing") }
    try server.kill()
    /// Changes a byte in the middle of a file.
    func damage(_ name: String) throws {
      var bytes = try Fixtures.readFile("\(state)/\(name)")
      bytes[bytes.count / 2] ^= 1
      try Fixtures.writeFile("\(state)/\(name)", bytes)
    }
    try damage("\(finished.id).ending")
    try damage("\(broken.id).request")
    try damage("\(running.id).0.drawing")
    try Fixtures.writeFile("\(state)/\(JobID.random()).request", [1, 2, 3])
    try Fixtures.writeFile("\(state)/\(JobID.random()).0.drawing", [])
    // Numbers that nothing can be added to.
    let far = "job_\(String(repeating: "0", count: 32))"
    for ending in ["request", "ending"] {
      let seed = Fixtures.path("../fuzz/seeds/job-state/far.\(ending)")
      try Fixtures.writeFile("\(state)/\(far).\(ending)", try Fixtures.readFile(seed))
    }
    try Fixtures.writeFile("\(state)/\(far).request.1.partial", [1])
    // Somebody else's.
    try Fixtures.writeFile("\(state)/download.partial", [1])
    server = try self.server()
    for name in ["\(finished.id).ending", "\(broken.id).request", "\(running.id).0.drawing"] {
      #expect(try server.line(containing: name).contains("its hash does not fit"))
    }
    #expect(try server.line(containing: "\(far).request").contains("header is not complete"))
    #expect(files(".partial") == ["download.partial"])
    let later = try JobClient(server, drawing("\"seed\": 6")).ended()
    #expect(later["status"] == .string("completed"), "\(later.text)")
    // What is damaged of a job is done again; a request is lost.
    let redrawn = try JobClient(server, id: finished.id).ended()
    #expect(redrawn["result"] == ended["result"], "\(redrawn.text)")
    let lost = try JobClient(server, id: broken.id).now()
    #expect(lost["error"]?["code"] == .string("job_not_found"))
    #expect(try JobClient(server, id: running.id).ended()["status"] == .string("completed"))
    #expect(files(".0.drawing").isEmpty)
  }

  /// Another model would draw another picture.
  @Test func aJobWaitsForItsModel() throws {
    var server = try server()
    let job = try JobClient(server, drawing("\"seed\": 1, \"size\": \"256x256\""))
    try server.kill()
    let other = folder.file("other.vq4")
    symlink(DemoModel.path, other)
    server = try ServerProgram(options + ["--model", other, "--keep-results", "1"])
    #expect(try server.line(containing: "waits for shapes").contains("not served"))
    for _ in 0..<15 {
      #expect(try server.send("GET", job.path).status == 404)
      usleep(100_000)
    }
    #expect(files(".request") == ["\(job.id).request"])
    try server.kill()
    server = try self.server()
    let ended = try JobClient(server, id: job.id).ended()
    #expect(ended["status"] == .string("completed"), "\(ended.text)")
  }

  /// Who may do what with a file of the folder, or with the folder itself.
  private func mode(_ name: String = "") -> mode_t {
    var status = stat()
    return stat("\(state)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
  }

  /// Requests, scales and pictures are for the server's user, whoever copies the folder.
  @Test func filesAreForTheOwnerAlone() throws {
    let server = try server()
    let finished = try JobClient(server, drawing("\"seed\": 7"))
    _ = try finished.ended()
    let running = try JobClient(server, drawing("\"seed\": 5, \"n\": 10, \"size\": \"512x512\""))
    _ = try running.when { _ in !files(".drawing").isEmpty }
    try server.kill()
    let names = TemporaryDirectory.names(of: state)
    for ending in ["lock", "\(finished.id).request", "\(finished.id).ending", ".drawing"] {
      #expect(names.contains { $0.hasSuffix(ending) }, "\(ending) in \(names)")
    }
    for name in names { #expect(mode(name) == 0o600, "\(name)") }
  }

  @Test func othersDoNotLookIn() throws {
    mkdir(state, 0o755)
    chmod(state, 0o755)
    #expect(try server().terminate() == 0)
    #expect(mode() == 0o700)
    chmod(state, 0o750)
    #expect(try server().terminate() == 0)
    #expect(mode() == 0o700)
    // A folder that has another purpose stays as it is.
    chmod(state, 0o755)
    folder.write("state/notes", "1")
    let refused = try ProgramRunner.built("varlite-server").run(["--port", "0"] + options)
    #expect(refused.status == 4 && refused.errorText.contains("others may look into"))
    #expect(mode() == 0o755)
  }

  @Test func aFolderHasOneServer() throws {
    let server = try server()
    let second = try ProgramRunner.built("varlite-server").run(["--port", "0"] + options)
    #expect(second.status == 4, "\(second.errorText)")
    #expect(second.errorText.contains("another server"), "\(second.errorText)")
    #expect(try server.terminate() == 0)
    #expect(try self.server().terminate() == 0)
    let nowhere = try ProgramRunner.built("varlite-server").run(["--state", "/proc/no/folder"])
    #expect(nowhere.status == 4, "\(nowhere.errorText)")
  }
}
