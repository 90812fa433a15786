import VARSystem

/// The jobs of a runtime and their threads.
final class JobList: Sendable {
  private static let stackBytes = 2 << 20
  private let state = Guarded { _ in State() }

  private struct State {
    var running: [Int: Job] = [:]
    var threads: [Int: JoinableThread] = [:]
    /// Jobs that have ended, whose threads are about to.
    var ended: [Int] = []
    var lastID = 0
    var isClosed = false

    mutating func takeEnded() -> [JoinableThread] {
      defer { ended = [] }
      return ended.compactMap { threads.removeValue(forKey: $0) }
    }
  }

  /// Starts a job's thread.
  func start(
    _ body: @escaping @Sendable (StopSignal, (Event) -> Void) throws(VARLiteError) -> Response
  ) throws(VARLiteError) -> Job {
    join(state.withLock { $0.takeEnded() })
    return try state.withLock { state throws(VARLiteError) in
      if state.isClosed { throw MemoryLedger.closed }
      state.lastID += 1
      let job = Job(id: state.lastID)
      let thread = JoinableThread(stackBytes: Self.stackBytes) {
        job.run(body)
        self.ended(job.id)
      }
      guard let thread else {
        throw VARLiteError(.memory, "the system refused a thread for the request")
      }
      state.running[job.id] = job
      state.threads[job.id] = thread
      return job
    }
  }

  private func ended(_ id: Int) {
    state.update { state in
      state.running[id] = nil
      state.ended.append(id)
    }
  }

  private func join(_ threads: [JoinableThread]) {
    // The last reference to a runtime may go on a job's own thread.
    for thread in threads { if thread.isCurrent { thread.detach() } else { thread.join() } }
  }

  private var running: [Job] { state.withLock { Array($0.running.values) } }

  /// Stops all jobs at once, waits until they have ended, and starts no more.
  func close() {
    state.withLock { $0.isClosed = true }
    for job in running { job.stop() }
    join()
  }

  /// Waits until all jobs and their threads have ended.
  func join() { join(state.wait { $0.running.isEmpty ? $0.takeEnded() : nil }) }

  /// Seconds until the jobs that run have ended; nil where one of them cannot say.
  var secondsLeft: Double? {
    let snapshots = running.map(\.snapshot).filter { $0.state == .running }
    let seconds = snapshots.compactMap { $0.progress?.secondsLeft }
    return seconds.count == snapshots.count ? seconds.max() ?? 0 : nil
  }
}
