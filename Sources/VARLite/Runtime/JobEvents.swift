import VARSystem

/// The events of a job as they come. See ``Job/events``.
public struct JobEvents: AsyncSequence, Sendable {
  public typealias Element = Event
  private let board: EventBoard

  init(_ board: EventBoard) { self.board = board }

  /// One reader of the events.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private let reader: EventBoard.Reader
    private var batch: [Event] = []

    init(_ reader: EventBoard.Reader) { self.reader = reader }

    /// The next event; nil where the job has ended or the task is cancelled.
    public mutating func next() async -> Event? {
      if batch.isEmpty { batch = await reader.next().reversed() }
      return batch.popLast()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(board.reader()) }
}

/// What a job has told so far, and who reads it.
final class EventBoard: Sendable {
  private let monitor = Monitor()
  private nonisolated(unsafe) var past = EventDigest()
  private nonisolated(unsafe) var result: Result<Response, VARLiteError>?
  private nonisolated(unsafe) var readers: [Weak] = []

  private struct Weak {
    weak var reader: Reader?
  }

  func post(_ event: Event) {
    let readers = monitor.locked {
      past.add(event)
      return self.readers.compactMap(\.reader)
    }
    for reader in readers { reader.post(event) }
  }

  func end(_ result: Result<Response, VARLiteError>) {
    let readers = monitor.locked {
      self.result = result
      monitor.signal()
      return self.readers.compactMap(\.reader)
    }
    for reader in readers { reader.end() }
  }

  func wait() -> Result<Response, VARLiteError> {
    monitor.locked {
      while true {
        if let result { return result }
        monitor.wait()
      }
    }
  }

  func reader() -> Reader {
    monitor.locked {
      let reader = Reader(past, hasEnded: result != nil)
      readers.removeAll { $0.reader == nil }
      readers.append(Weak(reader: reader))
      return reader
    }
  }

  var snapshot: Job.Snapshot {
    monitor.locked {
      let progress = past.progress
      let isWaiting = past.plan == nil
      let state: Job.State =
        switch result {
        case nil: isWaiting ? .waiting : .running
        case .success: .finished
        case .failure: .failed
        }
      return Job.Snapshot(
        state: state, queuePlace: state == .waiting ? past.queuePlace : nil,
        progress: isWaiting ? nil : progress, text: past.text, scale: past.scale,
        preview: past.preview)
    }
  }

  /// One reader: what it has not read yet, in short.
  final class Reader: Sendable {
    private let monitor = Monitor()
    private nonisolated(unsafe) var waiting: EventDigest
    private nonisolated(unsafe) var hasEnded: Bool
    private nonisolated(unsafe) var sleeper: CheckedContinuation<[Event], Never>?

    init(_ past: EventDigest, hasEnded: Bool) {
      waiting = past
      self.hasEnded = hasEnded
    }

    func post(_ event: Event) {
      wake { waiting.add(event) }
    }

    func end() { wake { hasEnded = true } }

    private func wake(_ change: () -> Void) {
      monitor.locked { change() }
      guard let sleeper = wakeSleeper() else { return }
      sleeper.resume(returning: monitor.locked { waiting.take() })
    }

    private func take(orSleep continuation: CheckedContinuation<[Event], Never>) -> [Event]? {
      monitor.locked {
        let events = waiting.take()
        guard events.isEmpty, !hasEnded, !Task.isCancelled else { return events }
        sleeper = continuation
        return nil
      }
    }

    private func wakeSleeper() -> CheckedContinuation<[Event], Never>? {
      monitor.locked {
        defer { sleeper = nil }
        return sleeper
      }
    }

    /// What came since the last call, at least one event; none where nothing comes any more.
    func next() async -> [Event] {
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          if let events = take(orSleep: continuation) { continuation.resume(returning: events) }
        }
      } onCancel: {
        wakeSleeper()?.resume(returning: [])
      }
    }
  }
}

/// Events in short: all notes and all text, and the last event of each other kind. A scale that nobody reads is
/// replaced by the next one.
struct EventDigest: Sendable {
  private(set) var plan: RequestPlan?
  private var notes: [Note] = []
  private(set) var text = ""
  private(set) var progress: Progress?
  private(set) var scale: DrawnScale?
  private(set) var preview: Preview?

  /// Requests that start before one that waits.
  var queuePlace: Int { progress.map { $0.total - $0.done } ?? 0 }

  mutating func add(_ event: Event) {
    switch event.content {
    case .plan(let plan): self.plan = plan
    case .note(let note): notes.append(note)
    case .text(let text): self.text += text
    case .progress(let progress): self.progress = progress
    case .scale(let scale): self.scale = scale
    case .preview(let preview): self.preview = preview
    }
  }

  /// The events, none of which is left.
  mutating func take() -> [Event] {
    var contents: [Event.Content] = []
    if let plan { contents.append(.plan(plan)) }
    contents += notes.map { .note($0) }
    if !text.isEmpty { contents.append(.text(text)) }
    if let scale { contents.append(.scale(scale)) }
    if let preview { contents.append(.preview(preview)) }
    if let progress { contents.append(.progress(progress)) }
    self = EventDigest()
    return contents.map(Event.init)
  }
}
