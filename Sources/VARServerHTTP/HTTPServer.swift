#if Server
  import HummingbirdCore
  import Logging
  import NIOCore
  import NIOPosix
  import VARServer

  /// Listens on a socket, and hands what comes to a service.
  package final class HTTPServer: Sendable {
    private enum Listener {
      case own(Server<HTTP1Channel>)
      case inherited(InheritedListener)
    }

    private static let tidySeconds = 5

    /// One thread moves all bytes; the others compute. It lives as long as the program: what is left of a connection at
    /// the end still finds it.
    private static let threads: MultiThreadedEventLoopGroup = {
      NIOSingletons.groupLoopCountSuggestion = 1
      return .singleton
    }()

    private let listener: Listener
    private let listening: @Sendable (Int) -> Void
    private let service: Service

    /// - Parameters:
    ///   - log: takes a line for each request.
    ///   - listening: called with the port, once clients may come; 0 where there is none.
    package init(
      _ service: Service, at address: ServerAddress, _ settings: ServerSettings,
      log: @escaping @Sendable (String) -> Void, listening: @escaping @Sendable (Int) -> Void
    ) {
      self.service = service
      let threads = Self.threads
      let silent = Logger(label: "varlite") { _ in SwiftLogNoOpLogHandler() }
      let responder = Responder(service: service, settings: settings, log: log)
      let setup = HTTP1Channel(
        responder: { request, writer, channel in
          try await responder.respond(request, writer, channel)
        },
        configuration: HTTP1Channel.Configuration(
          additionalChannelHandlers: [
            StalledWrites(seconds: settings.stalledSeconds), ParseErrors(),
          ],
          idleTimeout: .seconds(Int64(settings.idleSeconds))))
      let count = settings.maximumConnectionCount
      let own = { (address: BindAddress) in
        Server(
          childChannelSetup: setup,
          configuration: ServerConfiguration(
            address: address,
            availableConnectionsDelegate: MaximumAvailableConnections(count, logger: silent)),
          onServerRunning: { listening($0.localAddress?.port ?? 0) },
          eventLoopGroup: threads, logger: silent)
      }
      listener =
        switch address {
        case .host(let host, let port): .own(own(.hostname(host, port: port)))
        case .socket(let path): .own(own(.unixDomainSocket(path: path)))
        case .inherited(let descriptor):
          .inherited(
            InheritedListener(descriptor, setup, maximumConnectionCount: count, threads, silent))
        }
      self.listening = listening
    }

    /// Serves until it is stopped.
    ///
    /// - Throws: `ListenError` where the address cannot be had.
    package func run() async throws {
      let tidying = Task { [service] in
        while true {
          try await Task.sleep(for: .seconds(Self.tidySeconds))
          service.tidy()
        }
      }
      defer { tidying.cancel() }
      do {
        switch listener {
        case .own(let server): try await server.run()
        case .inherited(let server):
          try await server.run { [listening] in listening($0.localAddress?.port ?? 0) }
        }
      } catch { throw ListenError(error) ?? error }
    }

    /// Refuses new requests, gives those that run some time to end, and stops the others.
    package func stop(withinSeconds seconds: Int) async {
      service.stop()
      let clock = ContinuousClock()
      let deadline = clock.now.advanced(by: .seconds(seconds))
      while service.queue.runningCount > 0, clock.now < deadline {
        try? await Task.sleep(for: .milliseconds(20))
      }
      await service.end()
      switch listener {
      case .own(let server): try? await server.shutdownGracefully()
      case .inherited(let server): try? await server.shutdownGracefully()
      }
    }
  }
#endif
