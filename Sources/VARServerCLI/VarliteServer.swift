import ArgumentParser
import VARJSON
import VARLite
import VARServer
import VARServerHTTP
import VARSharedCLI
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@main
struct VarliteServer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varlite-server",
    abstract: "Answers, draws and edits for programs that speak OpenAI's HTTP interface.",
    discussion: """
      Example: varlite-server --model vargpt.vq4, then curl http://127.0.0.1:8080/v1/models
      Without --model the model named by $VARLITE_MODEL is used, else the demo model.
      """,
    version: ProgramVersion.text("varlite-server"))

  @OptionGroup(title: "Listening") var listening: ListeningOptions
  @OptionGroup(title: "Clients") var clients: ClientOptions
  @OptionGroup(title: "Jobs") var jobs: JobOptions
  @OptionGroup(title: "Models") var models: ServedModelOptions

  static func main() {
    // Before there is any other thread: all of them leave these signals to the one that waits for them.
    StopSignals.block()
    ProgramLimits.run("varlite-server") { VarliteServer.start() }
  }

  private static func start() {
    MappingGuard.install(program: "varlite-server")
    do {
      var command = try parseAsRoot(ProgramInput.arguments())
      try command.run()
    } catch {
      ServerFailure.end(error)
    }
  }

  func validate() throws {
    guard
      listening.isLoopback || listening.checkHealth || clients.apiKeyFile != nil
        || clients.noAPIKey
    else {
      throw ValidationError(
        "--host \(listening.host) lets other machines in: give --api-key-file, or --no-api-key to "
          + "let everybody in")
    }
  }

  func run() throws {
    if listening.checkHealth { return try HealthCheck.run(listening) }
    try listening.requireFree()
    var settings = try clients.settings()
    let log = LogWriter()
    defer { log.flush() }
    settings.log = { log.write("varlite-server: \($0)") }
    try jobs.apply(to: &settings)
    let runtime = try models.runtime()
    let service = Service(runtime, settings, folder: try jobs.folder(settings))
    let course = ProgramCourse()
    let server = HTTPServer(
      service, at: listening.address, settings, log: log.write,
      listening: { course.listens(port: $0) })
    Task {
      do {
        try await server.run()
        course.end(nil)
      } catch {
        course.end(ListenFailure(place: listening.place(port: listening.port), error))
      }
    }
    StopSignals.wait {
      course.stop()
      Task {
        await server.stop(withinSeconds: listening.stopSeconds)
        course.end(nil)
      }
      // Neither a client that takes nothing of its answer nor a disk that hangs holds the end up.
      course.end(afterSeconds: listening.stopSeconds + 2)
    }
    // Clients may come meanwhile, and are told to wait; and the program may be told to end.
    let open: @Sendable () -> Void = {
      do { try self.open(runtime, service, course) } catch { course.end(error) }
    }
    if let thread = JoinableThread(stackBytes: 8 << 20, open) { thread.detach() } else { open() }
    if let error = course.wait() { throw error }
  }

  private func open(_ runtime: Runtime, _ service: Service, _ course: ProgramCourse) throws {
    let catalog = try ModelCatalog(models.open(runtime))
    // Where clients cannot come, stored jobs are left to the next server.
    guard let port = course.port() else { return }
    service.open(catalog)
    let names = catalog.models.map(\.id).joined(separator: ", ")
    Self.say("varlite-server: \(listening.place(port: port)) serves \(names)")
  }

  /// Writes a line to standard error.
  static func say(_ line: String) {
    try? Descriptor.write(Array((line.escapedLines + "\n").utf8), to: STDERR_FILENO)
  }
}
