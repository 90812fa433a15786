import Synchronization
import VARLite

/// Counts what a server does.
package final class Metrics: Sendable {
  /// How a job ended.
  enum Outcome: String {
    case finished, cancelled, failed
  }

  /// Bounds of the histogram of times, in seconds.
  static let bounds = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

  struct Request: Hashable {
    let route: String
    let code: Int
  }

  /// What is told of the jobs of a kind.
  struct Jobs {
    var started = 0
    /// By outcome, and the stage that the job was in.
    var ended: [Ending: Int] = [:]
    /// Jobs that took at most as long as each bound, and all of them.
    var counts = [Int](repeating: 0, count: Metrics.bounds.count + 1)
    var seconds = 0.0
    var readTokens = 0
    var writtenTokens = 0
  }

  struct Ending: Hashable {
    let outcome: Outcome
    let stage: String
  }

  struct Counts {
    var requests: [Request: Int] = [:]
    /// By what the job does.
    var jobs: [String: Jobs] = [:]
  }

  private let counts = Mutex(Counts())

  init() {}

  /// The counts now.
  var snapshot: Counts { counts.withLock { $0 } }

  /// A request was answered; code 499: its client left before.
  package func count(_ route: Route?, code: Int) {
    let request = Request(route: route?.name ?? "other", code: code)
    counts.withLock { $0.requests[request, default: 0] += 1 }
  }

  func began(_ task: String) {
    counts.withLock { $0.jobs[task, default: Jobs()].started += 1 }
  }

  func ended(_ task: String, _ ending: Ending, seconds: Double, _ usage: Response.Usage?) {
    counts.withLock { counts in
      var jobs = counts.jobs[task, default: Jobs()]
      jobs.ended[ending, default: 0] += 1
      if let usage {
        for (index, bound) in (Self.bounds + [.infinity]).enumerated() where seconds <= bound {
          jobs.counts[index] += 1
        }
        jobs.seconds += seconds
        jobs.readTokens += usage.promptTokens
        jobs.writtenTokens += usage.textTokens + usage.drawnTokens
      }
      counts.jobs[task] = jobs
    }
  }
}
