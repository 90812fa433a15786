import VARSystem

/// Does one thing after the other on a thread of its own: neither what waits for a disk nor what computes for long
/// holds up those who serve clients.
final class OrderedThread: Sendable {
  private struct State {
    var work: [@Sendable () -> Void] = []
    var isOver = false
  }

  private let state = Guarded { _ in State() }
  private let hasThread: Bool

  init() {
    let thread = JoinableThread { [state] in
      while let work = state.wait({ Self.next(&$0) }) { work() }
    }
    thread?.detach()
    hasThread = thread != nil
  }

  deinit { state.update { $0.isOver = true } }

  /// nil: there is nothing now; nil inside: there will be nothing any more.
  private static func next(_ state: inout State) -> (@Sendable () -> Void)?? {
    if !state.work.isEmpty { return .some(state.work.removeFirst()) }
    return state.isOver ? .some(nil) : nil
  }

  /// Does something when all is done that came before.
  func perform(_ work: @escaping @Sendable () -> Void) {
    // Where the system refuses a thread, the caller waits.
    guard hasThread else { return work() }
    state.update { $0.work.append(work) }
  }

  /// The same, and waits for what comes of it.
  func result<Value: Sendable, Failure: Error>(
    _ work: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
      perform { continuation.resume(returning: Result(catching: work)) }
    }
    return try result.get()
  }
}
