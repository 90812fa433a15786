import Synchronization

/// Lets one request of a kind run at a time, the others wait in the order in which they came.
///
/// A model's answers and its drawings are two kinds: a question need not wait for a picture.
package final class JobQueue: Sendable {
  /// Requests that run one after the other.
  package struct Lane: Hashable, Sendable {
    package let model: String
    package let draws: Bool

    package init(model: String, draws: Bool) {
      self.model = model
      self.draws = draws
    }
  }

  private struct Waiting {
    let id: Int
    let lane: Lane
    var continuation: CheckedContinuation<Void, any Error>?
  }

  private struct State: ~Copyable {
    var running: [Lane: Int] = [:]
    var waiting: [Waiting] = []
    var lastID = 0
    /// Requests that came for each model.
    var counts: [String: Int] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())
  private let maximumLength: Int
  /// Seconds until those that run have ended; nil: unknown.
  private let expectedWaitSeconds: @Sendable () -> Double?

  package init(
    maximumLength: Int, expectedWaitSeconds: @escaping @Sendable () -> Double? = { nil }
  ) {
    self.maximumLength = maximumLength
    self.expectedWaitSeconds = expectedWaitSeconds
  }

  /// Takes a place.
  ///
  /// - Parameter hadPlace: whether it had a place before the server was started again: it keeps it.
  /// - Throws: 503 where there is none, or where the server is stopping.
  package func join(_ lane: Lane, hadPlace: Bool = false) throws(APIError) -> Ticket {
    let id = try state.withLock { state throws(APIError) -> Int? in
      if state.isClosed { throw .stopping }
      if state.running[lane] != nil, state.waiting.count >= maximumLength, !hadPlace {
        return nil
      }
      state.lastID += 1
      state.counts[lane.model, default: 0] += 1
      if state.running[lane] == nil {
        state.running[lane] = state.lastID
      } else {
        state.waiting.append(Waiting(id: state.lastID, lane: lane))
      }
      return state.lastID
    }
    guard let id else { throw full() }
    return Ticket(id, lane, self)
  }

  private func full() -> APIError {
    var error = APIError(
      503, "\(maximumLength) requests wait already; try again later",
      code: "queue_full")
    guard let seconds = expectedWaitSeconds(), seconds < 120 else { return error.withoutRetry }
    let value = String(max(1, Int(seconds.rounded(.up))))
    error.headers.append((name: "retry-after", value: value))
    return error
  }

  /// Requests that run.
  package var runningCount: Int { state.withLock { $0.running.count } }
  /// Requests that wait.
  package var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// How many requests came for a model, and whether one of them is still there.
  func use(of model: String) -> (count: Int, isBusy: Bool) {
    state.withLock { state in
      let isRunning = state.running.keys.contains { $0.model == model }
      return (
        state.counts[model] ?? 0, isRunning || state.waiting.contains { $0.lane.model == model }
      )
    }
  }

  /// Whether nobody gets a place any more.
  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Refuses whoever waits or comes; those that run go on.
  package func close() {
    let left = state.withLock { state -> [Waiting] in
      state.isClosed = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for waiting in left { waiting.continuation?.resume(throwing: APIError.stopping) }
  }
}

extension JobQueue {
  /// A place in the queue. Whoever lets go of it leaves.
  package final class Ticket: Sendable {
    private let id: Int
    private let lane: Lane
    private let queue: JobQueue

    fileprivate init(_ id: Int, _ lane: Lane, _ queue: JobQueue) {
      self.id = id
      self.lane = lane
      self.queue = queue
    }

    deinit { leave() }

    /// Requests that run before this one, 0 once it may run.
    package var place: Int { queue.place(id, lane) }

    /// Waits until the request may run.
    ///
    /// - Throws: `CancellationError` where the task is cancelled, 503 where the server stops.
    package func turn() async throws {
      try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { queue.wait(id, lane, $0) }
      } onCancel: {
        queue.leave(id, lane)
      }
      // The turn may have come at the moment at which nobody wanted it any more.
      try Task.checkCancellation()
    }

    /// Gives the place to the next one.
    package func leave() { queue.leave(id, lane) }
  }

  fileprivate func place(_ id: Int, _ lane: Lane) -> Int {
    state.withLock { state in
      guard state.running[lane] != id else { return 0 }
      let before = state.waiting.prefix { $0.id != id }
      return 1 + before.count { $0.lane == lane }
    }
  }

  fileprivate func wait(
    _ id: Int, _ lane: Lane, _ continuation: CheckedContinuation<Void, any Error>
  ) {
    let outcome = state.withLock { state -> Result<Void, any Error>? in
      if state.running[lane] == id { return .success(()) }
      guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
        return .failure(state.isClosed ? APIError.stopping : CancellationError())
      }
      state.waiting[index].continuation = continuation
      return nil
    }
    if let outcome { continuation.resume(with: outcome) }
  }

  fileprivate func leave(_ id: Int, _ lane: Lane) {
    let (next, left) = state.withLock { state -> (Waiting?, Waiting?) in
      if let index = state.waiting.firstIndex(where: { $0.id == id }) {
        return (nil, state.waiting.remove(at: index))
      }
      guard state.running[lane] == id else { return (nil, nil) }
      guard let index = state.waiting.firstIndex(where: { $0.lane == lane }) else {
        state.running[lane] = nil
        return (nil, nil)
      }
      let next = state.waiting.remove(at: index)
      state.running[lane] = next.id
      return (next, nil)
    }
    next?.continuation?.resume()
    left?.continuation?.resume(throwing: CancellationError())
  }
}
