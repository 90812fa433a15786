import Synchronization
import VARLite
import VARSystem

/// A job that goes on when the connection that started it is gone.
final class KeptJob: Sendable {
  enum Status: String {
    case queued, running, completed, failed, cancelled

    var isOver: Bool { self != .queued && self != .running }
  }

  /// How a job ended.
  enum Ending: Sendable {
    case completed(JobResult)
    case failed(APIError)
    case cancelled

    var status: Status {
      switch self {
      case .completed: .completed
      case .failed: .failed
      case .cancelled: .cancelled
      }
    }
  }

  fileprivate struct PreviewFile {
    let doneCount: Int
    let scaleCount: Int
    let bytes: [UInt8]
  }

  struct State {
    fileprivate(set) var status = Status.queued
    /// What runs now; nil before and after.
    fileprivate(set) var current: Job?
    /// Pictures that are drawn.
    fileprivate(set) var doneCount = 0
    /// The newest preview that somebody looked at, as a file.
    fileprivate var preview: PreviewFile?
    fileprivate(set) var ending: Ending?
    /// When it ended, in seconds since 1970.
    fileprivate(set) var ended: Int?
    /// Tells which of two that ended in one second was later.
    fileprivate(set) var endedMoment = 0.0
    /// Bytes that it takes until it is forgotten.
    fileprivate(set) var byteCount: Int
    /// What it does; nil once it has ended: it is not kept longer than it is needed.
    fileprivate(set) var work: JobBody.Work?
    /// What was drawn by it; nil for what is no drawing that is completed.
    fileprivate(set) var prompt: String?
    fileprivate var task: Task<Void, Never>?

    var result: JobResult? { if case .completed(let result) = ending { result } else { nil } }
  }

  let id: String
  let kind: JobBody.Kind
  /// What the text or the first picture is picked with.
  let seed: UInt64
  /// Pictures to draw; 1 for a text.
  let pictureCount: Int
  /// When it was asked for, in seconds since 1970.
  let created: Int
  private let state: Mutex<State>
  private let ticket: Mutex<JobQueue.Ticket?>

  /// Bytes of a job beside those of its body and its result.
  private static let ownByteCount = 4096

  /// - Parameters:
  ///   - bodyByteCount: bytes of the request.
  ///   - ticket: its place; nil for one that has ended.
  init(
    id: String, _ body: JobBody, bodyByteCount: Int, created: Int, ticket: JobQueue.Ticket?
  ) {
    self.id = id
    kind = body.kind
    seed = body.seed
    if case .images(let asked) = body.work { pictureCount = asked.count } else { pictureCount = 1 }
    self.created = created
    self.ticket = Mutex(ticket)
    state = Mutex(State(byteCount: bodyByteCount + Self.ownByteCount, work: body.work))
  }

  /// What it is now.
  var snapshot: State { state.withLock { $0 } }

  /// Requests that run before it, while it waits.
  var queuePlace: Int { ticket.withLock { $0?.place ?? 0 } }

  /// Its place in the queue; nil once it has none.
  var place: JobQueue.Ticket? { ticket.withLock { $0 } }

  func run(_ work: @escaping @Sendable () async -> Void) {
    state.withLock { $0.task = Task { await work() } }
  }

  /// A picture, or the text, begins.
  ///
  /// - Parameter doneCount: pictures that are drawn.
  func begin(_ job: Job, doneCount: Int) {
    state.withLock { state in
      guard !state.status.isOver else { return }
      (state.status, state.current, state.doneCount) = (.running, job, doneCount)
    }
  }

  /// - Returns: whether it had not ended before.
  @discardableResult
  func end(_ ending: Ending, at time: Int) -> Bool {
    let task = state.withLock { state -> Task<Void, Never>?? in
      guard !state.status.isOver else { return nil }
      (state.status, state.ending, state.ended) = (ending.status, ending, time)
      state.endedMoment = MonotonicClock.seconds()
      if state.result != nil, case .images(let asked) = state.work { state.prompt = asked.prompt }
      (state.current, state.work, state.preview) = (nil, nil, nil)
      state.byteCount =
        Self.ownByteCount + (state.prompt?.utf8.count ?? 0) + (state.result?.byteCount ?? 0)
      defer { state.task = nil }
      return .some(state.task)
    }
    guard let task else { return false }
    if case .cancelled = ending { task?.cancel() }
    return true
  }

  /// The newest preview as a PNG; nil where there is none. It is written once, however often it is asked for.
  func previewFile() throws(VARLiteError) -> [UInt8]? {
    let now = snapshot
    guard let preview = now.current?.snapshot.preview else { return nil }
    if let file = now.preview, file.doneCount == now.doneCount,
      file.scaleCount == preview.scaleCount
    {
      return file.bytes
    }
    let file = PreviewFile(
      doneCount: now.doneCount, scaleCount: preview.scaleCount, bytes: try preview.picture.png())
    state.withLock { if !$0.status.isOver { $0.preview = file } }
    return file.bytes
  }

  /// Stops the work of one that goes on another time.
  func suspend() { state.withLock { $0.task }?.cancel() }

  /// Gives its place to the next one.
  func leave() { ticket.withLock { $0.take() }?.leave() }
}
