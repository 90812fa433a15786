import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `varlite-server` with the demo model on a port of its own; killed with the last reference.
final class ServerProgram {
  let port: UInt16
  private let program: RunningProgram

  init(_ options: [String] = []) throws {
    program = try ProgramRunner.built("varlite-server").start(["--port", "0"] + options)
    let line = try program.errorLine(containing: "http://", seconds: 30)
    let digits = line.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
    guard let port = UInt16(digits) else { throw FixtureError("no port in: \(line)") }
    self.port = port
  }

  /// The connection of a client that sends what it is told.
  func connect() throws -> TestClient {
    program.drainErrors()
    return try TestClient(port: port)
  }

  /// Sends one request and reads its answer.
  func send(
    _ method: String, _ path: String, headers: [String] = [], body: String? = nil
  ) throws -> TestAnswer {
    try connect().exchange(method, path, headers: headers, body: body.map { Array($0.utf8) })
  }

  /// Sends JSON and reads the answer.
  func post(_ path: String, _ body: String) throws -> TestAnswer {
    try send("POST", path, headers: ["Content-Type: application/json"], body: body)
  }

  /// Ends it at once, as a power cut would.
  func kill() throws { _ = try program.end(SIGKILL, seconds: 20) }

  /// Waits for a line that holds a text.
  func line(containing text: String) throws -> String {
    try program.errorLine(containing: text, seconds: 20)
  }

  /// Asks it to end.
  ///
  /// - Returns: the exit code.
  func terminate() throws -> Int32 { try program.end(SIGTERM, seconds: 20) }
}
