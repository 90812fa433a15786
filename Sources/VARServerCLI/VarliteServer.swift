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
    guard listening.isLoopback || clients.apiKeyFile != nil || clients.noAPIKey else {
      throw ValidationError(
        "--host \(listening.host) lets other machines in: give --api-key-file, or --no-api-key to "
          + "let everybody in")
    }
  }

  func run() throws {
    let settings = try clients.settings()
    let runtime = try models.runtime()
    let catalog = try ModelCatalog(models.open(runtime))
    let names = catalog.models.map(\.id).joined(separator: ", ")
    let host = listening.host
    let server = HTTPServer(
      Service(catalog, runtime, settings), at: listening.address, settings, log: Self.say,
      listening: { port in
        let place = host.contains(":") ? "[\(host)]" : host
        Self.say("varlite-server: http://\(place):\(port) serves \(names)")
      })
    let end = ProgramEnd()
    Task {
      do {
        try await server.run()
        end.come(nil)
      } catch {
        end.come(error)
      }
    }
    StopSignals.wait {
      Task {
        await server.stop(withinSeconds: listening.stopSeconds)
        end.come(nil)
      }
    }
    if let error = end.wait() { throw ListenFailure(place: "\(host):\(listening.port)", error) }
  }

  /// Writes a line to standard error.
  static func say(_ line: String) {
    try? Descriptor.write(Array((line.escapedLines + "\n").utf8), to: STDERR_FILENO)
  }
}

/// The address cannot be had.
struct ListenFailure: Error, CustomStringConvertible {
  let description: String

  init(place: String, _ error: any Error) {
    description = "cannot listen on \(place): \(error)"
  }
}

/// Waits for the first thing that ends the program.
private final class ProgramEnd: Sendable {
  private let state = Guarded<(isOver: Bool, error: (any Error)?)> { _ in (false, nil) }

  func come(_ error: (any Error)?) {
    state.update { state in
      if !state.isOver { state = (true, error) }
    }
  }

  func wait() -> (any Error)? { state.wait { $0.isOver ? .some($0.error) : nil } }
}
