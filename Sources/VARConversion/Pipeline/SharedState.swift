import VARSystem

/// State that threads share: one at a time, and whoever waits for a change is woken by every change.
final class SharedState<State>: @unchecked Sendable {
  private var state: State
  private let monitor = Monitor()

  init(_ state: State) { self.state = state }

  /// Changes the state and wakes all who wait.
  func update<Result>(_ body: (inout State) -> Result) -> Result {
    monitor.locked {
      defer { monitor.signal() }
      return body(&state)
    }
  }

  /// Waits until `body` gives a result; it may change the state when it does.
  func wait<Result>(_ body: (inout State) -> Result?) -> Result {
    monitor.locked {
      defer { monitor.signal() }
      while true {
        if let result = body(&state) { return result }
        monitor.wait()
      }
    }
  }
}
