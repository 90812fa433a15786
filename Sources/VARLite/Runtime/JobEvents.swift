/// The events of a job as they come. See ``Job/events``.
public struct JobEvents: AsyncSequence, Sendable {
  public typealias Element = Event
  private let board: EventBoard

  init(_ board: EventBoard) { self.board = board }

  /// One reader of the events.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private let reader: EventReader
    private var batch: [Event] = []

    init(_ reader: EventReader) { self.reader = reader }

    /// The next event; nil where the job has ended or the task is cancelled.
    public mutating func next() async -> Event? {
      if batch.isEmpty { batch = await reader.next().reversed() }
      return batch.popLast()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(board.reader()) }
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
