import ArgumentParser
import VARKernels
import VARServer
import VARServerHTTP
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where the server listens.
struct ListeningOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The address to listen on.", valueName: "address"))
  var host = "127.0.0.1"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The port; 0: one that the system picks.", valueName: "n"))
  var port = 8080

  @Option(
    help: ArgumentHelp(
      "A socket in the file system to listen on, in place of an address.", valueName: "path"),
    completion: .file())
  var socket: String?

  @Flag(help: "Ask a server that runs whether it is well; exit code 0: yes, 1: no.")
  var checkHealth = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds that requests have to end after Ctrl-C or SIGTERM; then they are stopped.",
      valueName: "n"))
  var stopSeconds = 10

  var address: ServerAddress {
    if let descriptor = InheritedSocket.descriptor { return .inherited(descriptor) }
    return socket.map { .socket($0) } ?? .host(host, port: port)
  }

  /// Where clients find it.
  ///
  /// - Parameter port: the one that it has.
  func place(port: Int) -> String {
    if InheritedSocket.descriptor != nil { return "an inherited socket, port \(port)," }
    let name = host.contains(":") ? "[\(host)]" : host
    return socket.map { "unix:\($0)" } ?? "http://\(name):\(port)"
  }

  /// Whether programs of this machine alone can come.
  var isLoopback: Bool {
    if InheritedSocket.descriptor != nil { return InheritedSocket.isLoopback }
    return socket != nil || host == "localhost" || host == "::1" || host.hasPrefix("127.")
  }

  /// A socket of another server is left alone; one that nobody listens on any more is replaced.
  func requireFree() throws(ListenFailure) {
    if let socket, HealthCheck.isTaken(socket) {
      throw ListenFailure(
        place: place(port: 0), "another server listens there; choose another --socket")
    }
  }

  func validate() throws {
    guard (0...65535).contains(port) else {
      throw ValidationError("--port is 0 to 65535, not \(port)")
    }
    guard (0...3600).contains(stopSeconds) else {
      throw ValidationError("--stop-seconds is 0 to 3600, not \(stopSeconds)")
    }
    if host.isEmpty { throw ValidationError("--host is empty; 127.0.0.1 is this machine alone") }
  }
}

/// Who is served, and how much of it.
struct ClientOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A file with a key per line; clients show one as Authorization: Bearer KEY.",
      valueName: "file"), completion: .file())
  var apiKeyFile: String?

  @Flag(name: .customLong("no-api-key"), help: "Serve other machines without a key.")
  var noAPIKey = false

  @Option(
    help: ArgumentHelp(
      "A name under which clients reach the server, beside localhost and numbers. Repeats.",
      valueName: "name"))
  var allowHost: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bytes that a request may have, with K, M or G. Default: 32M.", valueName: "bytes"))
  var maxBody: ByteCount?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Requests that may wait behind those that run.", valueName: "n"))
  var maxQueue = 16

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Requests of one key that may run and wait together. Default: no limit.", valueName: "n"))
  var maxQueuePerKey: Int?

  func validate() throws {
    guard (0...1000).contains(maxQueue) else {
      throw ValidationError("--max-queue is 0 to 1000, not \(maxQueue)")
    }
    if let maxQueuePerKey {
      guard maxQueuePerKey >= 1 else {
        throw ValidationError("--max-queue-per-key is 1 or more, not \(maxQueuePerKey)")
      }
      guard apiKeyFile != nil else {
        throw ValidationError("--max-queue-per-key needs keys: give --api-key-file")
      }
    }
    if let maxBody, !((1 << 10)...(1 << 30)).contains(maxBody.bytes) {
      throw ValidationError("--max-body is 1K to 1G, not \(maxBody)")
    }
    if apiKeyFile != nil, noAPIKey {
      throw ValidationError("--api-key-file and --no-api-key exclude each other")
    }
  }

  func settings() throws -> ServerSettings {
    var settings = ServerSettings(secondsSince1970: { time(nil) })
    if let apiKeyFile { settings.keys = try KeyFile.keys(apiKeyFile) }
    settings.allowedHosts = allowHost
    if let maxBody { settings.maximumBodyBytes = maxBody.bytes }
    settings.maximumQueueLength = maxQueue
    settings.maximumRequestsPerKey = maxQueuePerKey
    return settings
  }
}
