#if Server
  import NIOCore

  /// Closes the connection of a client that takes nothing of what waits for it.
  final class StalledWrites: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = Any

    private static let checkCount = 6

    private let checkSeconds: Int
    private var timer: RepeatedTask?
    /// Pieces that have gone, and bytes that waited at the last check.
    private var goneCount = 0
    private var last = (goneCount: 0, waiting: 0)
    private var stalledChecks = 0

    /// - Parameter seconds: after which it is closed; a sixth more or less does not matter.
    init(seconds: Int) { checkSeconds = max(1, seconds / Self.checkCount) }

    func handlerAdded(context: ChannelHandlerContext) {
      let own = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      let pause = TimeAmount.seconds(Int64(checkSeconds))
      timer = context.eventLoop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
        let (handler, context) = own.value
        handler.check(context)
      }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      let promise = promise ?? context.eventLoop.makePromise()
      promise.futureResult.assumeIsolated().whenComplete { _ in self.goneCount += 1 }
      context.write(data, promise: promise)
    }

    private func check(_ context: ChannelHandlerContext) {
      let option = ChannelOptions.bufferedWritableBytes
      let waiting = (try? context.channel.syncOptions?.getOption(option)) ?? 0
      // What comes behind what waits is no progress.
      let isStalled = last.waiting > 0 && waiting >= last.waiting && goneCount == last.goneCount
      last = (goneCount, waiting)
      stalledChecks = isStalled ? stalledChecks + 1 : 0
      if stalledChecks >= Self.checkCount { context.close(promise: nil) }
    }
  }
#endif
