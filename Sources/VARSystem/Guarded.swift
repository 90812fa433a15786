/// Wakes the threads that wait for a guarded value to change.
package struct Waker: Sendable {
  fileprivate let monitor: Monitor
  package func wake() { monitor.signal() }
}

/// A value that threads share. It is reached under its lock alone, and a thread may wait for others to change it.
///
/// No part of the value can be kept outside: it is `Sendable`, so what a closure returns is a copy, or safe by itself.
/// The closures do not escape, and a call allocates nothing.
package final class Guarded<Value: ~Copyable & Sendable>: @unchecked Sendable {
  private let monitor: Monitor
  private var value: Value

  /// - Parameter make: makes the value, which may keep the waker.
  package init(_ make: (Waker) -> Value) {
    monitor = Monitor()
    value = make(Waker(monitor: monitor))
  }

  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try monitor.locked { () throws(Failure) in try body(&value) }
  }

  /// Calls `body` until it returns something, again after each change. In between other threads have the value.
  ///
  /// - Parameter milliseconds: calls it again after this time, too.
  package func wait<Result, Failure: Error>(
    milliseconds: Int? = nil, _ body: (inout Value) throws(Failure) -> Result?
  ) throws(Failure) -> Result {
    try monitor.locked { () throws(Failure) in
      while true {
        if let result = try body(&value) { return result }
        if let milliseconds { monitor.wait(milliseconds: milliseconds) } else { monitor.wait() }
      }
    }
  }
}
