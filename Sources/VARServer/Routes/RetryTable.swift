import Synchronization
import VARSystem

/// The answers that are being made for clients that state a time-out, so that one that gave up and asks again gets what
/// it waited for. Such clients send the same request again, by themselves and at once.
final class RetryTable: Sendable {
  /// What has to be the same for a request to be the same.
  struct Key: Equatable, Sendable {
    let route: Route
    /// What the client shows to be served.
    let access: [String?]
    let body: [UInt8]
  }

  /// An answer that one client waits for, or several, or none for a while.
  private final class Shared: Sendable {
    let key: Key
    let task: Task<Answer, any Error>
    /// Clients that wait, and how often one has gone.
    let clients = Mutex((waiting: 1, departures: 0))

    init(_ key: Key, _ task: Task<Answer, any Error>) {
      self.key = key
      self.task = task
    }

    /// What came of the work; nil where the task is cancelled before.
    func result() async -> Result<Answer, any Error>? {
      let (results, sink) = AsyncStream<Result<Answer, any Error>>.makeStream()
      let task = task
      Task {
        sink.yield(await task.result)
        sink.finish()
      }
      for await result in results { return result }
      return nil
    }
  }

  /// The part of its time-out after which a client that goes may have gone because of it.
  private static let timeoutShare = 0.9
  /// One that got interim answers and goes later than that has had enough.
  private static let patientShare = 2.0

  /// Whether a client that goes after this part of its time-out is likely to come back.
  private static func comesBack(_ share: Double, _ head: RequestHead) -> Bool {
    share >= timeoutShare && (share <= patientShare || Patience(head) == .blanks)
  }

  /// Seconds for which work goes on when its client has gone at its time-out.
  private let keptSeconds: Int
  private let answers = Mutex<[Shared]>([])

  init(keptSeconds: Int) { self.keptSeconds = keptSeconds }

  /// The answer that is being made already, or the one of `compute`.
  ///
  /// - Throws: what `compute` throws; `CancellationError` where the task is cancelled.
  func answer(
    _ head: RequestHead, _ route: Route, body: [UInt8],
    _ compute: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    guard let timeout = Patience.statedSeconds(head) else { return try await compute() }
    let access = [head["authorization"], head["x-api-key"]]
    let isRetry = Int(head["x-stainless-retry-count"] ?? "") ?? 0 > 0
    let (shared, isOwn) = shared(
      Key(route: route, access: access, body: body), joins: isRetry, compute)
    let began = MonotonicClock.seconds()
    let result = await withTaskCancellationHandler {
      await shared.result()
    } onCancel: {
      let seconds = MonotonicClock.seconds() - began
      leave(shared, isKept: Self.comesBack(seconds / timeout, head))
    }
    try Task.checkCancellation()
    remove(shared)
    guard let answer = try result?.get() else { throw CancellationError() }
    // Events go to one client alone.
    if !isOwn, case .pieces = answer.body { return try await compute() }
    return answer
  }

  private func shared(
    _ key: Key, joins: Bool, _ compute: @escaping @Sendable () async throws -> Answer
  ) -> (Shared, isOwn: Bool) {
    answers.withLock { answers in
      if joins, let shared = answers.last(where: { $0.key == key }) {
        shared.clients.withLock { $0.waiting += 1 }
        return (shared, false)
      }
      let shared = Shared(key, Task { try await compute() })
      answers.append(shared)
      return (shared, true)
    }
  }

  /// A client has gone.
  private func leave(_ shared: Shared, isKept: Bool) {
    let departure = shared.clients.withLock { clients in
      clients.waiting -= 1
      clients.departures += 1
      return clients.departures
    }
    guard isKept else { return endUnlessAwaited(shared) }
    Task {
      try? await Task.sleep(for: .seconds(keptSeconds))
      // Whoever came back and went again has a time of its own.
      guard shared.clients.withLock({ $0.departures == departure }) else { return }
      endUnlessAwaited(shared)
    }
  }

  private func endUnlessAwaited(_ shared: Shared) {
    let isAwaited = answers.withLock { answers in
      let isAwaited = shared.clients.withLock { $0.waiting > 0 }
      if !isAwaited { answers.removeAll { $0 === shared } }
      return isAwaited
    }
    if !isAwaited { shared.task.cancel() }
  }

  private func remove(_ shared: Shared) {
    answers.withLock { answers in answers.removeAll { $0 === shared } }
  }
}
