import VARSystem

/// Who may take how much of one budget of memory: requests that run, and sessions between two turns.
///
///                                  fits beside those that run
///     request --> plan --> queue ----------------------------------> runs --> ends
///                  |         |
///                  |         | to be refused when busy, or stopped
///                  v         v
///                does not fit even alone: refused, with remedies
///
/// A request waits here and nowhere else, and holds nothing meanwhile but its words. Who is first in the queue starts
/// first, also where a later one would fit now. Requests that fit together run at once: each on its caller's thread,
/// with the pool's threads for whichever asks for them first.
///
/// Of a model's weights one request streams at a time, since each pass through the ring belongs to one request.
final class MemoryLedger: Sendable {
  private let book: Guarded<LedgerBook>

  /// A request's leave to run.
  struct Admission {
    let id: Int
    let plan: RequestPlan
  }

  /// What asks to be admitted.
  struct Candidate {
    let model: Model
    /// The plan within a budget.
    let plan: (MemoryBudget) throws(VARLiteError) -> RequestPlan
    /// What would help where a plan does not fit.
    let remedies: (RequestPlan, MemoryBudget) -> [Remedy]
    /// The claim that the new one replaces.
    var replaced: Int?
    var waits = true
  }

  init(_ source: MemorySource) { book = Guarded { _ in LedgerBook(source) } }

  static let closed = VARLiteError(.closed, "the runtime is closed")

  /// Returns when a request may run.
  ///
  /// - Parameter waiting: called with the requests that start before this one, when it begins to wait and when that
  ///   changes.
  /// - Throws: `memory` where it would not fit alone, `busy` where it is not to wait, `cancelled`, `closed`.
  func admit(
    _ candidate: Candidate, _ stop: StopSignal, waiting: (Int) -> Void = { _ in }
  ) throws(VARLiteError) -> Admission {
    let id = book.withLock { $0.enter() }
    defer { book.update { $0.leave(id) } }
    var (checked, told) = (-1, -1)
    while true {
      var (place, seen) = (0, 0)
      let admission = try book.withLock { book throws(VARLiteError) -> Admission? in
        if book.isClosed { throw Self.closed }
        (place, seen) = (book.place(of: id), book.version)
        // A request that has to wait is planned again only when it is the first of the queue.
        guard checked != seen, checked < 0 || place == 0 else { return nil }
        checked = seen
        return try book.start(id, candidate)
      }
      if let admission { return admission }
      guard candidate.waits else {
        throw VARLiteError(
          .busy, "the request fits, but others run or wait before it; try again later")
      }
      if stop.isRequested { throw .cancelled }
      if place != told {
        told = place
        waiting(place)
      }
      waitForChange(since: seen)
    }
  }

  /// Returns when something of the book has changed, or after a twentieth of a second: then the stop is asked again.
  private func waitForChange(since version: Int) {
    var isOver = false
    book.wait(milliseconds: 50) { book -> Void? in
      defer { isOver = true }
      return isOver || book.version != version ? () : nil
    }
  }

  /// What a request could take that came now and waited for those that run.
  func budget() throws(VARLiteError) -> MemoryBudget {
    try book.withLock { book throws(VARLiteError) in try book.budget() }
  }

  /// The request or session ends.
  func end(_ id: Int) { book.update { $0.end(id) } }

  /// A session's turn ends, and its state stays in memory.
  func hold(_ id: Int, bytes: Int) { book.update { $0.hold(id, bytes: bytes) } }

  /// From now on nothing is admitted; who waits is refused.
  func close() { book.update { $0.close() } }

  var isClosed: Bool { book.withLock { $0.isClosed } }

  /// What stands in the ledger.
  struct Standing {
    let claimedBytes, peakBytes, runningCount, queuedCount: Int
  }

  var standing: Standing { book.withLock { $0.standing } }
}
