import VARSystem
import VQ4Format

/// Brings the pages of the first layers into memory while a mapped model waits for its first request: what a person
/// types meanwhile, and an app does, costs more time than the disk takes.
///
/// The system holds them as it holds all pages of files, and takes them back when it needs them.
final class FirstPages: Sendable {
  /// What is asked for at once: a request that begins need not wait for more.
  private static let pieceByteCount = 1 << 20

  private let state: Guarded<State>
  private let thread: JoinableThread?

  private struct State {
    var isStopped = false
    /// Groups whose pages are there.
    var groups: Set<Int> = []
  }

  /// - Parameters:
  ///   - groups: in the order in which they are used.
  ///   - byteCount: what they may bring at most.
  init(_ file: VQ4File, groups: [Int], atMost byteCount: Int) {
    let state = Guarded { _ in State() }
    self.state = state
    // Without a thread weights are read when they are touched.
    thread = JoinableThread {
      var left = byteCount
      for group in groups {
        guard left > 0, !state.withLock({ $0.isStopped }) else { return }
        state.withLock { _ = $0.groups.insert(group) }
        left -= file.populate(group: group, atMost: left, pieceByteCount: Self.pieceByteCount) {
          state.withLock { $0.isStopped }
        }
      }
    }
  }

  deinit {
    _ = stop()
    thread?.join()
  }

  /// Asks for no more pages.
  ///
  /// - Returns: groups of which pages are there.
  func stop() -> Set<Int> {
    state.withLock { state in
      state.isStopped = true
      return state.groups
    }
  }
}
