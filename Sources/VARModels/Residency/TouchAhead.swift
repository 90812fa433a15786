import VARSystem

/// Has the system provide the memory of loads ahead of the readers: clearing a page, or getting it from the host of a
/// virtual machine, takes about as long as reading one from a fast disk.
///
/// Everything is called inside the readers' monitor.
final class TouchAhead {
  private let shared: Shared
  private var thread: JoinableThread?

  init(_ monitor: Monitor) { shared = Shared(monitor) }

  /// Without a thread, or on a system that cannot, readers wait for their pages themselves.
  func append(_ load: BlockLoad) {
    guard load.untouchedBytes > 0, !shared.isRefused else { return }
    shared.loads.append(load)
    guard !shared.isRunning else { return }
    // It needs the monitor no more.
    thread?.join()
    shared.isRunning = true
    thread = JoinableThread { [shared] in shared.run() }
    if thread == nil { shared.isRunning = false }
  }

  /// Outside the monitor: returns when nothing is touched any more.
  func stop() {
    shared.monitor.locked { shared.end() }
    thread?.join()
    thread = nil
  }

  private final class Shared: @unchecked Sendable {
    let monitor: Monitor
    // Behind the monitor.
    var loads: [BlockLoad] = []
    var isRunning = false
    /// Whether the system cannot provide pages ahead.
    private(set) var isRefused = false
    /// Bytes of the first load that were touched.
    private var doneBytes = 0

    /// Bytes that are touched at once: whoever gives the memory back waits that long.
    private static let stepBytes = 8 << 20

    init(_ monitor: Monitor) { self.monitor = monitor }

    func run() {
      while let (load, step) = monitor.locked(next) {
        let isProvided = AnonymousMemory.provide(step)
        monitor.locked {
          load.runningCount -= 1
          if load.runningCount == 0 { monitor.signal() }
          if !isProvided { isRefused = true }
        }
      }
    }

    func end() {
      loads = []
      doneBytes = 0
    }

    private func next() -> (BlockLoad, UnsafeMutableRawBufferPointer)? {
      while !isRefused, let load = loads.first {
        let count = min(Self.stepBytes, load.untouchedBytes - doneBytes)
        guard count > 0, !load.isDone, !load.isAbandoned else {
          loads.removeFirst()
          doneBytes = 0
          continue
        }
        defer { doneBytes += count }
        load.runningCount += 1
        return (load, UnsafeMutableRawBufferPointer(start: load.base + doneBytes, count: count))
      }
      end()
      isRunning = false
      return nil
    }
  }
}
