import VARSystem

/// A request that runs on a thread of its own: anybody may watch it, from any moment on, wait for its response, or stop
/// it. It goes on when nobody does.
public final class Job: Sendable {
  /// Where a job stands. Later versions may know more states.
  public struct State: RawRepresentable, Hashable, Sendable {
    /// A stable name.
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// It waits for memory.
    public static let waiting = State(rawValue: "waiting")
    /// It runs.
    public static let running = State(rawValue: "running")
    /// The response is there.
    public static let finished = State(rawValue: "finished")
    /// It ended with an error, as a stopped one does too.
    public static let failed = State(rawValue: "failed")
  }

  /// What a job is now.
  public struct Snapshot: Sendable {
    /// Where it stands.
    public let state: State
    /// Requests that start before this one, while it waits.
    public let queuePlace: Int?
    /// How far it is; nil before it runs.
    public let progress: Progress?
    /// The text so far.
    public let text: String
    /// The last scale that was drawn, with what the drawing resumes from.
    public let scale: DrawnScale?
    /// The last preview.
    public let preview: Preview?
  }

  /// Differs from that of every other job of the runtime.
  public let id: Int
  private let signal = StopSignal()
  let board = EventBoard()

  init(id: Int) { self.id = id }

  /// What the job is now.
  public var snapshot: Snapshot { board.snapshot }

  /// Asks the job to stop. Returns at once.
  public func stop(_ moment: StopSignal.Moment = .now) { signal.stop(moment) }

  /// Waits on the calling thread for the response.
  public func wait() throws(VARLiteError) -> Response { try board.wait().get() }

  /// The response, as soon as it is there. A task that is cancelled meanwhile leaves; the job goes on.
  public func response() async throws -> Response {
    for await _ in events {}
    try Task.checkCancellation()
    return try wait()
  }

  /// The events from the job's beginning, those that are past in short: the text so far, the last scale, preview and
  /// progress. A reader who is slow gets the same shortening; the job never waits for one. The sequence ends with the
  /// job; a reader who leaves does not stop it.
  public var events: JobEvents { JobEvents(board) }

  /// Does the work.
  func run(
    _ body: (StopSignal, (Event) -> Void) throws(VARLiteError) -> Response
  ) {
    let result = Result { () throws(VARLiteError) in
      try body(signal) { board.post($0) }
    }
    board.end(result)
  }
}

/// The jobs of a runtime and their threads.
final class JobList: Sendable {
  private static let stackBytes = 2 << 20
  private let monitor = Monitor()
  private nonisolated(unsafe) var running: [Int: Job] = [:]
  private nonisolated(unsafe) var threads: [Int: JoinableThread] = [:]
  /// Jobs that have ended, whose threads are about to.
  private nonisolated(unsafe) var ended: [Int] = []
  private nonisolated(unsafe) var nextID = 0
  private nonisolated(unsafe) var isClosed = false

  /// Starts a job's thread.
  func start(
    _ body: @escaping @Sendable (StopSignal, (Event) -> Void) throws(VARLiteError) -> Response
  ) throws(VARLiteError) -> Job {
    join(takeEnded())
    return try monitor.locked { () throws(VARLiteError) in
      if isClosed { throw MemoryLedger.closed }
      nextID += 1
      let job = Job(id: nextID)
      let thread = JoinableThread(stackBytes: Self.stackBytes) {
        job.run(body)
        self.ended(job.id)
      }
      guard let thread else {
        throw VARLiteError(.memory, "the system refused a thread for the request")
      }
      running[job.id] = job
      threads[job.id] = thread
      return job
    }
  }

  private func ended(_ id: Int) {
    monitor.locked {
      running[id] = nil
      ended.append(id)
      monitor.signal()
    }
  }

  private func takeEnded() -> [JoinableThread] {
    monitor.locked {
      defer { ended = [] }
      return ended.compactMap { threads.removeValue(forKey: $0) }
    }
  }

  private func join(_ threads: [JoinableThread]) {
    // The last reference to a runtime may go on a job's own thread.
    for thread in threads { if thread.isCurrent { thread.detach() } else { thread.join() } }
  }

  /// Stops all jobs at once, waits until they have ended, and starts no more.
  func close() {
    let jobs = monitor.locked {
      isClosed = true
      return Array(running.values)
    }
    for job in jobs { job.stop() }
    join()
  }

  /// Waits until all jobs and their threads have ended.
  func join() {
    monitor.locked { while !running.isEmpty { monitor.wait() } }
    join(takeEnded())
  }

  /// Seconds until the jobs that run have ended; nil where one of them cannot say.
  var secondsLeft: Double? {
    let snapshots = monitor.locked { Array(running.values) }.map(\.snapshot)
      .filter { $0.state == .running }
    let seconds = snapshots.compactMap { $0.progress?.secondsLeft }
    return seconds.count == snapshots.count ? seconds.max() ?? 0 : nil
  }
}
