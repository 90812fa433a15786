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
