import VARSystem
import VQ4Format

/// Has the system read a group of weights from the disk while the one before it is computed with.
///
/// A thread of its own asks, because the system may make it wait; it starts when a group is first found missing.
final class ReadAhead {
  private let file: VQ4File
  private let requests: Requests
  private var thread: JoinableThread?

  init(_ file: VQ4File) {
    self.file = file
    requests = Requests(file)
  }

  deinit {
    requests.end()
    thread?.join()
  }

  /// Says that a group is computed with now. Calls must not overlap.
  func reached(_ group: Int) {
    let next = group + 1
    guard next < file.groups.count, !file.seemsResident(group: next) else { return }
    // Without a thread weights are read when they are touched.
    if thread == nil { thread = JoinableThread { [requests] in requests.serve() } }
    requests.want(next)
  }

  /// The group that is wanted next, shared with the thread.
  private final class Requests: @unchecked Sendable {
    private let file: VQ4File
    private let monitor = Monitor()
    // Behind the monitor.
    private var wanted: Int?
    private var isEnding = false

    init(_ file: VQ4File) { self.file = file }

    func want(_ group: Int) {
      monitor.locked {
        wanted = group
        monitor.signal()
      }
    }

    func end() {
      monitor.locked {
        isEnding = true
        monitor.signal()
      }
    }

    /// Asks for each wanted group until the end.
    func serve() {
      while let group = monitor.locked(next) { file.readAhead(group: group) }
    }

    private func next() -> Int? {
      while wanted == nil, !isEnding { monitor.wait() }
      defer { wanted = nil }
      return isEnding ? nil : wanted
    }
  }
}
