#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A value that threads share. It is reached under its lock alone, and a thread may wait for others to change it.
///
/// No part of the value can be kept outside: it is `Sendable`, so what a closure returns is a copy, or safe by itself.
/// The closures do not escape, and a call allocates nothing.
package final class Guarded<Value: ~Copyable & Sendable>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let waker = Waker()
  private var value: Value

  /// - Parameter make: makes the value, which may keep the waker.
  package init(_ make: (Waker) -> Value) {
    pthread_mutex_init(mutex, nil)
    value = make(waker)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }

  /// The same, and wakes all who wait.
  package func update<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { waker.wake() }
    return try withLock(body)
  }

  /// Calls `body` until it returns something, again whenever threads are woken. In between others have the value.
  ///
  /// - Parameters:
  ///   - waker: what wakes this thread; nil: the value's own.
  ///   - milliseconds: calls it again after this time, too.
  package func wait<Result, Failure: Error>(
    for waker: Waker? = nil, milliseconds: Int? = nil,
    _ body: (inout Value) throws(Failure) -> Result?
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = try body(&value) { return result }
      (waker ?? self.waker).wait(mutex, milliseconds: milliseconds)
    }
  }
}

/// Wakes the threads that wait for a guarded value to change: all of them, or those that wait for a change of one kind.
package final class Waker: @unchecked Sendable {
  private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init() {
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(change, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(change)
    change.deallocate()
  }

  package func wake() { pthread_cond_broadcast(change) }

  /// Gives the lock away until it is woken, or the time is over.
  fileprivate func wait(_ mutex: UnsafeMutablePointer<pthread_mutex_t>, milliseconds: Int?) {
    guard let milliseconds else {
      pthread_cond_wait(change, mutex)
      return
    }
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    time.tv_nsec += milliseconds * 1_000_000
    time.tv_sec += time.tv_nsec / 1_000_000_000
    time.tv_nsec %= 1_000_000_000
    pthread_cond_timedwait(change, mutex, &time)
  }
}
