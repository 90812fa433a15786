import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOPosix

/// Listens on a socket that whoever started the program has opened; what `Server` does for addresses.
actor InheritedListener {
  private let descriptor: Int32
  private let setup: HTTP1Channel
  private let maximumConnectionCount: Int
  private let threads: MultiThreadedEventLoopGroup
  private let logger: Logger
  private let quiescing: ServerQuiescingHelper

  /// - Parameter descriptor: of a stream socket that is bound; it is closed in the end.
  init(
    _ descriptor: Int32, _ setup: HTTP1Channel, maximumConnectionCount: Int,
    _ threads: MultiThreadedEventLoopGroup, _ logger: Logger
  ) {
    self.descriptor = descriptor
    self.setup = setup
    self.maximumConnectionCount = maximumConnectionCount
    self.threads = threads
    self.logger = logger
    quiescing = ServerQuiescingHelper(group: threads)
  }

  /// Serves until it is stopped.
  func run(_ listening: @Sendable (any Channel) -> Void) async throws {
    let (setup, logger, quiescing) = (setup, logger, quiescing)
    let limit = MaximumAvailableConnections(maximumConnectionCount, logger: logger)
    let server = try await ServerBootstrap(group: threads)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(AvailableConnectionsChannelHandler(delegate: limit))
          try pipeline.addHandler(quiescing.makeServerChannelHandler(channel: channel))
        }
      }
      .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
      .bind(descriptor) { setup.setup(channel: $0, logger: logger) }
    listening(server.channel)
    await withDiscardingTaskGroup { group in
      try? await server.executeThenClose { connections in
        for try await connection in connections {
          group.addTask { await setup.handle(value: connection, logger: logger) }
        }
      }
    }
  }

  func shutdownGracefully() async throws {
    let promise = threads.next().makePromise(of: Void.self)
    quiescing.initiateShutdown(promise: promise)
    try await promise.futureResult.get()
  }
}
