import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import VARServer

/// Listens on a socket, and hands what comes to a service.
package final class HTTPServer: Sendable {
  /// Where a server listens.
  package struct Address: Sendable {
    package let host: String
    /// 0: one that the system picks.
    package let port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }
  }

  private let server: Server<HTTP1Channel>
  private let service: Service
  private let threads: MultiThreadedEventLoopGroup

  /// - Parameters:
  ///   - log: takes a line for each request.
  ///   - listening: called with the port, once clients may come.
  package init(
    _ service: Service, at address: Address, _ settings: ServerSettings,
    log: @escaping @Sendable (String) -> Void, listening: @escaping @Sendable (Int) -> Void
  ) {
    self.service = service
    // One thread moves all bytes; the others compute.
    threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let silent = Logger(label: "varlite") { _ in SwiftLogNoOpLogHandler() }
    let responder = Responder(service: service, settings: settings, log: log)
    server = Server(
      childChannelSetup: HTTP1Channel(
        responder: { request, writer, channel in
          try await responder.respond(request, writer, channel)
        },
        configuration: HTTP1Channel.Configuration(
          idleTimeout: .seconds(Int64(settings.idleSeconds)))),
      configuration: ServerConfiguration(
        address: .hostname(address.host, port: address.port),
        availableConnectionsDelegate: MaximumAvailableConnections(
          settings.maximumConnectionCount, logger: silent)),
      onServerRunning: { listening($0.localAddress?.port ?? address.port) },
      eventLoopGroup: threads, logger: silent)
  }

  /// Serves until it is stopped.
  ///
  /// - Throws: what the system says where the address cannot be had.
  package func run() async throws {
    do {
      try await server.run()
    } catch {
      try? await threads.shutdownGracefully()
      throw error
    }
    try? await threads.shutdownGracefully()
  }

  /// Refuses new requests, gives those that run some time to end, and stops the others.
  package func stop(withinSeconds seconds: Int) async {
    service.stop()
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: .seconds(seconds))
    while service.queue.runningCount > 0, clock.now < deadline {
      try? await Task.sleep(for: .milliseconds(20))
    }
    service.end()
    try? await server.shutdownGracefully()
  }
}
