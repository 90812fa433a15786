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
        course.end(error)
      }
    }
    StopSignals.wait {
      Task {
        await server.stop(withinSeconds: listening.stopSeconds)
        course.end(nil)
      }
    }
    // Clients may come meanwhile, and are told to wait.
    let catalog = try ModelCatalog(models.open(runtime))
    service.open(catalog)
    if let port = course.port() {
      let names = catalog.models.map(\.id).joined(separator: ", ")
      Self.say("varlite-server: \(listening.place(port: port)) serves \(names)")
    }
    let end = course.wait()
    log.flush()
    if let error = end {
      throw ListenFailure(place: listening.place(port: listening.port), error)
    }
  }

  /// Writes a line to standard error.
  static func say(_ line: String) {
    try? Descriptor.write(Array((line.escapedLines + "\n").utf8), to: STDERR_FILENO)
  }
}

/// The address cannot be had.
struct ListenFailure: Error, CustomStringConvertible {
  let description: String

  init(place: String, _ reason: Any) {
    description = "cannot listen on \(place): \(reason)"
  }
}
