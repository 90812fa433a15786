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

  struct State {
    fileprivate(set) var status = Status.queued
    /// What runs now; nil before and after.
    fileprivate(set) var current: Job?
    /// Pictures that are drawn.
    fileprivate(set) var doneCount = 0
    fileprivate(set) var ending: Ending?
    /// When it ended, in seconds since 1970.
    fileprivate(set) var ended: Int?
    /// Tells which of two that ended in one second was later.
    fileprivate(set) var endedMoment = 0.0
    /// Bytes that it takes until it is forgotten.
    fileprivate(set) var byteCount: Int
    fileprivate var task: Task<Void, Never>?

    var result: JobResult? { if case .completed(let result) = ending { result } else { nil } }
  }

  let id: String
  let body: JobBody
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
    self.body = body
    self.created = created
    self.ticket = Mutex(ticket)
    state = Mutex(State(byteCount: bodyByteCount + Self.ownByteCount))
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
      state.byteCount += state.result?.byteCount ?? 0
      state.current = nil
      defer { state.task = nil }
      return .some(state.task)
    }
    guard let task else { return false }
    if case .cancelled = ending { task?.cancel() }
    return true
  }

  /// Stops the work of one that goes on another time.
  func suspend() { state.withLock { $0.task }?.cancel() }

  /// Gives its place to the next one.
  func leave() { ticket.withLock { $0.take() }?.leave() }
}
