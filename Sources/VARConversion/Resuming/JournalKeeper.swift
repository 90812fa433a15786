import VARSystem
import VQ4Format

/// Brings work to the disk and then its records into the journal, on a thread of its own, so that nobody waits for the
/// disk.
final class JournalKeeper: @unchecked Sendable {
  private struct State {
    var batch: [JournalRecord]?
    var failure: (any Error)?
    var isClosed = false
  }

  private let shared = Guarded { _ in State() }
  private let writer: VQ4Writer
  private let journal: Journal
  private var thread: JoinableThread?

  /// Nil where the system refuses a thread.
  init?(writer: VQ4Writer, journal: Journal) {
    self.writer = writer
    self.journal = journal
    thread = JoinableThread { [self] in run() }
    guard thread != nil else { return nil }
  }

  /// Hands over records of work that is written. Returns false where the thread still has others to do.
  ///
  /// Throws what went wrong since the last call.
  func submit(_ records: [JournalRecord]) throws -> Bool {
    let (isTaken, failure) = shared.update { state in
      guard state.failure == nil, state.batch == nil else { return (false, state.failure) }
      state.batch = records
      return (true, nil)
    }
    if let failure { throw failure }
    return isTaken
  }

  /// Waits until what was handed over is done.
  func waitUntilIdle() throws {
    let failure = shared.wait { state -> (any Error)?? in
      state.failure != nil || state.batch == nil ? .some(state.failure) : nil
    }
    if let failure { throw failure }
  }

  /// Does what was handed over, and ends the thread.
  func finish() throws {
    shared.update { $0.isClosed = true }
    thread?.join()
    thread = nil
    if let failure = shared.update({ $0.failure }) { throw failure }
  }

  private func run() {
    while let batch = takeBatch() {
      let outcome = Result {
        try writer.synchronizeData()
        try journal.append(batch)
      }
      shared.update { state in
        state.batch = nil
        if case .failure(let error) = outcome { state.failure = error }
      }
    }
  }

  /// The batch stays in the state while it is worked on.
  private func takeBatch() -> [JournalRecord]? {
    shared.wait { state -> [JournalRecord]?? in
      if let batch = state.batch, state.failure == nil { return .some(batch) }
      return state.isClosed ? .some(nil) : nil
    }
  }
}
