import VARSystem

/// Writes lines to standard error on a thread of its own: who reads them slowly holds nobody up. Where too many wait
/// they are left out, and counted.
final class LogWriter: Sendable {
  private struct State {
    var lines: [String] = []
    var leftOutCount = 0
    var isWriting = false
  }

  private static let maximumLineCount = 1000
  /// Seconds that the last lines have at the end of the program.
  private static let lastSeconds = 0.5

  private let state = Guarded { _ in State() }

  init() {
    JoinableThread { [state] in
      while true {
        let lines = state.wait { state -> [String]? in
          guard !state.lines.isEmpty else { return nil }
          defer { state = State(isWriting: true) }
          let leftOut = state.leftOutCount
          return state.lines + (leftOut > 0 ? ["varlite-server: \(leftOut) lines left out"] : [])
        }
        for line in lines { VarliteServer.say(line) }
        state.update { $0.isWriting = false }
      }
    }?.detach()
  }

  func write(_ line: String) {
    state.update { state in
      if state.lines.count < Self.maximumLineCount {
        state.lines.append(line)
      } else {
        state.leftOutCount += 1
      }
    }
  }

  /// Waits for the last lines, for a while.
  func flush() {
    let deadline = MonotonicClock.seconds() + Self.lastSeconds
    state.wait(milliseconds: 50) { state -> Void? in
      let isOver = state.lines.isEmpty && !state.isWriting
      return isOver || MonotonicClock.seconds() > deadline ? () : nil
    }
  }
}
