#if !Server
  import VARServer

  /// Stands for the server in builds without its HTTP library.
  package final class HTTPServer: Sendable {
    private struct Missing: Error, CustomStringConvertible {
      let description =
        "this program was built without its HTTP library (the trait Server); swift build -c release "
        + "builds it"
    }

    package init(
      _ service: Service, at address: ServerAddress, _ settings: ServerSettings,
      log: @escaping @Sendable (String) -> Void, listening: @escaping @Sendable (Int) -> Void
    ) {}

    package func run() async throws { throw Missing() }
    package func stop(withinSeconds seconds: Int) async {}
  }
#endif
