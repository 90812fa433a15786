import Synchronization
import VARLite

/// What a client that waits may be told: the place in the queue, or how far the job is.
final class JobWatch: Sendable {
  private let job = Mutex<Job?>(nil)
  let ticket: JobQueue.Ticket
  /// Seconds without an event after which the client is told something.
  private let silenceSeconds: Int

  /// - Parameter head: tells how long the client bears silence.
  init(_ ticket: JobQueue.Ticket, _ head: RequestHead) {
    self.ticket = ticket
    silenceSeconds = Patience.silenceSeconds(head)
  }

  func begin(_ job: Job) { self.job.withLock { $0 = job } }

  /// One line.
  var text: String {
    guard let job = job.withLock({ $0 }) else {
      return ticket.place == 0 ? "starting" : "waiting, \(ticket.place) before"
    }
    guard let progress = job.snapshot.progress else { return "starting" }
    var text = progress.stage.rawValue
    if progress.stage == .drawing { text += " scale \(progress.done + 1)/\(progress.total)" }
    text += ", \(Int(progress.fraction * 100)) %"
    if let seconds = progress.secondsLeft { text += ", \(Int(seconds.rounded(.up))) s left" }
    return text
  }

  /// Does something while comments are sent again and again.
  func commenting(
    _ sink: Answer.Sink, _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return true
      }
      group.addTask {
        while true {
          try await Task.sleep(for: .seconds(self.silenceSeconds))
          sink.yield(ServerSentEvent.comment(self.text))
        }
      }
      defer { group.cancelAll() }
      _ = try await group.next()
    }
  }
}
