import VARSystem

/// What the threads of the program wait for: that clients may come, and the first thing that ends it.
final class ProgramCourse: Sendable {
  private let state = Guarded<(port: Int?, isOver: Bool, error: (any Error)?)> { _ in
    (nil, false, nil)
  }

  /// Clients may come.
  func listens(port: Int) { state.update { $0.port = port } }

  func end(_ error: (any Error)?) {
    state.update { state in
      if !state.isOver { (state.isOver, state.error) = (true, error) }
    }
  }

  /// Waits for the port; nil where the program ends before.
  func port() -> Int? {
    state.wait { state in state.isOver || state.port != nil ? .some(state.port) : nil }
  }

  /// Waits for the end.
  func wait() -> (any Error)? { state.wait { $0.isOver ? .some($0.error) : nil } }
}
