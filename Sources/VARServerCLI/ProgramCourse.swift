import VARSystem

/// What the threads of the program wait for: that clients may come, and the first thing that ends it.
final class ProgramCourse: Sendable {
  private struct State {
    var port: Int?
    var isStopping = false
    var isOver = false
    var error: (any Error)?
  }

  private let state = Guarded { _ in State() }

  /// Clients may come.
  func listens(port: Int) { state.update { $0.port = port } }

  /// It is to end: what fails from now on fails because of that.
  func stop() { state.update { $0.isStopping = true } }

  func end(_ error: (any Error)?) {
    state.update { state in
      if !state.isOver { (state.isOver, state.error) = (true, state.isStopping ? nil : error) }
    }
  }

  /// Ends without an error when the time is over.
  func end(afterSeconds seconds: Int) {
    JoinableThread { [self] in
      let deadline = MonotonicClock.seconds() + Double(seconds)
      state.wait(milliseconds: 100) { state -> Void? in
        state.isOver || MonotonicClock.seconds() > deadline ? () : nil
      }
      end(nil)
    }?.detach()
  }

  /// Waits for the port; nil where the program ends before.
  func port() -> Int? {
    state.wait { state in state.isOver || state.port != nil ? .some(state.port) : nil }
  }

  /// Waits for the end.
  func wait() -> (any Error)? { state.wait { $0.isOver ? .some($0.error) : nil } }
}
