import ArgumentParser
import VARKernels
import VARServer
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What is kept of jobs.
struct JobOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Store jobs in this folder after each scale: they go on when the server is started again.",
      valueName: "folder"),
    completion: .directory)
  var state: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds for which the result of a job is kept.", valueName: "n"))
  var keepResults = 3600

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bytes that kept results take, with K, M or G; old ones give way. Default: 256M.",
      valueName: "bytes"))
  var keepBytes: ByteCount?

  func validate() throws {
    guard (1...31_536_000).contains(keepResults) else {
      throw ValidationError("--keep-results is 1 to 31536000 seconds, not \(keepResults)")
    }
    if state?.isEmpty == true { throw ValidationError("--state is empty; name a folder") }
  }

  func apply(to settings: inout ServerSettings) throws {
    settings.keptResultSeconds = keepResults
    if let keepBytes { settings.maximumResultBytes = keepBytes.bytes }
  }

  func folder(_ settings: ServerSettings) throws -> StateFolder? {
    guard let state else { return nil }
    // It holds what clients ask: nobody else looks into it. One that cannot be made is told by its first file.
    mkdir(state, 0o700)
    try PrivateFolder.close(state, isOwn: StateFolder.isOwn)
    return try StateFolder(state, log: settings.log)
  }
}
