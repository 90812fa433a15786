import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A job of a server that outlives its connection, as a client sees it.
struct JobClient {
  let server: ServerProgram
  let id: String

  var path: String { "/varlite/v1/jobs/\(id)" }

  /// Starts one.
  init(_ server: ServerProgram, _ body: String) throws {
    let answer = try server.post("/varlite/v1/jobs", body)
    guard answer.status == 202, let id = try answer.json["id"]?.stringValue else {
      throw FixtureError("no job: \(answer.status) \(answer.text)")
    }
    self.init(server, id: id)
  }

  /// One that is there.
  init(_ server: ServerProgram, id: String) {
    self.server = server
    self.id = id
  }

  /// What it is now.
  func now(_ query: String = "") throws -> JSONValue { try server.send("GET", path + query).json }

  /// Waits until something is true of it.
  func when(
    seconds: Double = 60, _ isTrue: (JSONValue) throws -> Bool
  ) throws -> JSONValue {
    for _ in 0..<Int(seconds * 50) {
      let document = try now()
      if try isTrue(document) { return document }
      usleep(20_000)
    }
    throw FixtureError("it did not come to that: \(try now().text)")
  }

  /// Waits for its end.
  func ended() throws -> JSONValue {
    try when { !["queued", "running"].contains($0["status"]?.stringValue) }
  }
}
