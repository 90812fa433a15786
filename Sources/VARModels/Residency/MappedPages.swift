import VARSystem
import VQ4Format

/// Which pages of the mapped file requests use: those of the next group are read ahead, and those of groups that
/// nobody reads any more leave this process's memory. They stay in the page cache.
///
/// A thread of its own asks the system to read, because that may make it wait; it starts when a group is first found
/// missing.
final class MappedPages: Sendable {
  private let file: VQ4File
  private let state: Guarded<State>

  private struct State {
    /// Groups that each request reads in its present phase.
    var groups: [Int: Set<Int>] = [:]
    var thread: JoinableThread?
    /// What was read before the first request.
    var first: FirstPages?
    /// The group to read ahead.
    var wanted: Int?
    var isEnding = false

    /// The group that is wanted next; the inner nil at the end, the outer one where there is none yet.
    mutating func take() -> Int?? { isEnding ? .some(nil) : wanted.take().map { Optional($0) } }
  }

  init(_ file: VQ4File) {
    self.file = file
    state = Guarded { _ in State() }
  }

  deinit {
    let thread = state.update { state in
      state.isEnding = true
      return state.thread
    }
    thread?.join()
  }

  /// Brings the pages of groups into memory until the first request begins.
  func readFirst(_ groups: [Int], atMost byteCount: Int) {
    state.withLock { state in
      guard state.groups.isEmpty, state.first == nil else { return }
      state.first = FirstPages(file, groups: groups, atMost: byteCount)
    }
  }

  func begin(_ pass: WeightPass, _ request: Int) {
    let groups = Set(pass.parts.map { $0.group(in: file) })
    let left = state.withLock { state in
      let before = (state.groups.updateValue(groups, forKey: request) ?? [])
        .union(state.first?.stop() ?? [])
      return state.groups.values.reduce(before) { $0.subtracting($1) }
    }
    for group in left { file.forgetPages(group: group) }
  }

  func end(_ request: Int) { state.withLock { $0.groups[request] = nil } }

  /// Says that a group is computed with now.
  func reached(_ group: Int) {
    let next = group + 1
    guard next < file.groups.count, !file.seemsResident(group: next) else { return }
    state.update { state in
      state.wanted = next
      guard state.thread == nil else { return }
      // Without a thread weights are read when they are touched.
      state.thread = JoinableThread { [file, state = self.state] in
        while let group = state.wait({ $0.take() }) { file.readAhead(group: group) }
      }
    }
  }
}
