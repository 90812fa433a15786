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

  fileprivate struct Place {
    let id: Int
    let lane: Lane
    /// Whose request has it; nil: nobody's by name.
    let client: Int?
  }

  private struct Waiting {
    let place: Place
    var continuation: CheckedContinuation<Void, any Error>?

    var id: Int { place.id }
    var lane: Lane { place.lane }
  }

  private struct State: ~Copyable {
    var running: [Lane: Place] = [:]
    var waiting: [Waiting] = []
    var lastID = 0
    /// Requests that came for each model.
    var counts: [String: Int] = [:]
    var isClosed = false

    /// Requests of a client that run or wait.
    func count(of client: Int) -> Int {
      running.values.count { $0.client == client } + waiting.count { $0.place.client == client }
    }
  }

  private enum Refusal: Error {
    case stopping, full
    case clientFull(Int)
  }

  private let state = Mutex(State())
  private let maximumLength: Int
  private let maximumPerClient: Int?
  /// Seconds until those that run have ended; nil: unknown.
  private let expectedWaitSeconds: @Sendable () -> Double?

  /// - Parameters:
  ///   - maximumLength: requests that may wait.
  ///   - maximumPerClient: requests of one client that may run and wait; nil: any number.
  package init(
    maximumLength: Int, maximumPerClient: Int? = nil,
    expectedWaitSeconds: @escaping @Sendable () -> Double? = { nil }
  ) {
    self.maximumLength = maximumLength
    self.maximumPerClient = maximumPerClient
    self.expectedWaitSeconds = expectedWaitSeconds
  }

  /// Takes a place.
  ///
  /// - Parameters:
  ///   - client: whose request it is; nil: nobody's by name, whose requests are not counted.
  ///   - hadPlace: whether it had a place before the server was started again: it keeps it.
  /// - Throws: 429 where the client has too many, 503 where there is none, or where the server is stopping.
  package func join(
    _ lane: Lane, client: Int? = nil, hadPlace: Bool = false
  ) throws(APIError) -> Ticket {
    let id: Int
    do throws(Refusal) {
      id = try state.withLock { state throws(Refusal) in
        if state.isClosed { throw .stopping }
        if let client, let maximumPerClient, state.count(of: client) >= maximumPerClient {
          throw .clientFull(maximumPerClient)
        }
        if state.running[lane] != nil, state.waiting.count >= maximumLength, !hadPlace {
          throw .full
        }
        state.lastID += 1
        state.counts[lane.model, default: 0] += 1
        let place = Place(id: state.lastID, lane: lane, client: client)
        if state.running[lane] == nil {
          state.running[lane] = place
        } else {
          state.waiting.append(Waiting(place: place))
        }
        return place.id
      }
    } catch {
      throw self.error(error)
    }
    return Ticket(id, lane, self)
  }

  private func error(_ refusal: Refusal) -> APIError {
    switch refusal {
    case .stopping: .stopping
    case .full:
      APIError(
        503, "\(maximumLength) requests wait already; try again later", code: "queue_full"
      ).withRetry(afterSeconds: expectedWaitSeconds())
    case .clientFull(let count):
      APIError(
        429, "this key has \(count) requests that run or wait; try again when one has ended",
        code: "rate_limit_exceeded"
      ).withRetry(afterSeconds: expectedWaitSeconds())
    }
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
      guard state.running[lane]?.id != id else { return 0 }
      let before = state.waiting.prefix { $0.id != id }
      return 1 + before.count { $0.lane == lane }
    }
  }

  fileprivate func wait(
    _ id: Int, _ lane: Lane, _ continuation: CheckedContinuation<Void, any Error>
  ) {
    let outcome = state.withLock { state -> Result<Void, any Error>? in
      if state.running[lane]?.id == id { return .success(()) }
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
      guard state.running[lane]?.id == id else { return (nil, nil) }
      guard let index = state.waiting.firstIndex(where: { $0.lane == lane }) else {
        state.running[lane] = nil
        return (nil, nil)
      }
      let next = state.waiting.remove(at: index)
      state.running[lane] = next.place
      return (next, nil)
    }
    next?.continuation?.resume()
    left?.continuation?.resume(throwing: CancellationError())
  }
}
