import VARSystem

/// What a job has told so far, and who reads it.
final class EventBoard: Sendable {
  private let state = Guarded { _ in State() }

  private struct State {
    var past = EventDigest()
    var result: Result<Response, VARLiteError>?
    var readers: [Weak] = []

    struct Weak: Sendable {
      weak var reader: EventReader?
    }

    var present: [EventReader] { readers.compactMap(\.reader) }
  }

  func post(_ event: Event) {
    let readers = state.withLock { state in
      state.past.add(event)
      return state.present
    }
    for reader in readers { reader.post(event) }
  }

  func end(_ result: Result<Response, VARLiteError>) {
    let readers = state.update { state in
      state.result = result
      return state.present
    }
    for reader in readers { reader.end() }
  }

  func wait() -> Result<Response, VARLiteError> { state.wait { $0.result } }

  func reader() -> EventReader {
    state.withLock { state in
      let reader = EventReader(state.past, hasEnded: state.result != nil)
      state.readers.removeAll { $0.reader == nil }
      state.readers.append(State.Weak(reader: reader))
      return reader
    }
  }

  var snapshot: Job.Snapshot {
    let (past, result) = state.withLock { ($0.past, $0.result) }
    let isWaiting = past.plan == nil
    let state: Job.State =
      switch result {
      case nil: isWaiting ? .waiting : .running
      case .success: .finished
      case .failure: .failed
      }
    return Job.Snapshot(
      state: state, queuePlace: state == .waiting ? past.queuePlace : nil,
      progress: isWaiting ? nil : past.progress, text: past.text, scale: past.scale,
      preview: past.preview)
  }
}

/// One reader of a job: what it has not read yet, in short.
final class EventReader: Sendable {
  private let state: Guarded<State>

  private struct State {
    var waiting: EventDigest
    var hasEnded: Bool
    var sleeper: CheckedContinuation<[Event], Never>?

    mutating func takeSleeper() -> CheckedContinuation<[Event], Never>? {
      defer { sleeper = nil }
      return sleeper
    }
  }

  init(_ past: EventDigest, hasEnded: Bool) {
    state = Guarded { _ in State(waiting: past, hasEnded: hasEnded) }
  }

  func post(_ event: Event) { wake { $0.waiting.add(event) } }

  func end() { wake { $0.hasEnded = true } }

  private func wake(_ change: (inout State) -> Void) {
    let (sleeper, events) = state.withLock { state in
      change(&state)
      let sleeper = state.takeSleeper()
      return (sleeper, sleeper == nil ? [] : state.waiting.take())
    }
    sleeper?.resume(returning: events)
  }

  /// What came since the last call, at least one event; none where nothing comes any more.
  func next() async -> [Event] {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if let events = take(orSleep: continuation) { continuation.resume(returning: events) }
      }
    } onCancel: {
      state.withLock { $0.takeSleeper() }?.resume(returning: [])
    }
  }

  private func take(orSleep continuation: CheckedContinuation<[Event], Never>) -> [Event]? {
    state.withLock { state in
      let events = state.waiting.take()
      guard events.isEmpty, !state.hasEnded, !Task.isCancelled else { return events }
      state.sleeper = continuation
      return nil
    }
  }
}
