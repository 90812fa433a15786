import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Has the system read a group of weights from the disk while the one before it is computed with.
///
/// A thread of its own asks, because the system may make it wait; it starts when a group is first found missing.
final class ReadAhead {
  private let file: VQ4File
  private let requests: Requests
  private var thread: pthread_t?

  init(_ file: VQ4File) {
    self.file = file
    requests = Requests(file)
  }

  deinit {
    guard let thread else { return }
    requests.end()
    pthread_join(thread, nil)
  }

  /// Says that a group is computed with now. Calls must not overlap.
  func reached(_ group: Int) {
    let next = group + 1
    guard next < file.groups.count, !file.seemsResident(group: next) else { return }
    if thread == nil { start() }
    requests.want(next)
  }

  /// Without a thread weights are read when they are touched.
  private func start() {
    var created = pthread_t()
    let context = Unmanaged.passRetained(requests)
    let failure = pthread_create(
      &created, nil,
      { context in
        Unmanaged<Requests>.fromOpaque(context!).takeRetainedValue().serve()
        return nil
      }, context.toOpaque())
    if failure == 0 {
      thread = created
    } else {
      context.release()
    }
  }
}

/// The group that is wanted next, shared with the thread.
private final class Requests: @unchecked Sendable {
  private let file: VQ4File
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // Behind the mutex.
  private var wanted: Int?
  private var isEnding = false

  init(_ file: VQ4File) {
    self.file = file
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(change, nil)
  }

  deinit {
    pthread_cond_destroy(change)
    pthread_mutex_destroy(mutex)
    change.deallocate()
    mutex.deallocate()
  }

  func want(_ group: Int) { locked { wanted = group } }

  func end() { locked { isEnding = true } }

  /// Asks for each wanted group until the end.
  func serve() {
    while let group = next() { file.readAhead(group: group) }
  }

  private func next() -> Int? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while wanted == nil, !isEnding { pthread_cond_wait(change, mutex) }
    defer { wanted = nil }
    return isEnding ? nil : wanted
  }

  private func locked(_ body: () -> Void) {
    pthread_mutex_lock(mutex)
    body()
    pthread_cond_signal(change)
    pthread_mutex_unlock(mutex)
  }
}
