#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread that runs one closure, on a stack of a stated size whatever the shell's limit is. It is joined or detached.
package struct JoinableThread: Sendable {
  private let thread: pthread_t

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Bytes of the stack where nothing else is stated: kernels have 300 KB of locals.
  package static let stackBytes = 1 << 20

  /// - Parameter stackBytes: size of the stack.
  /// - Returns: nil where the system refuses a thread.
  package init?(stackBytes: Int = Self.stackBytes, _ run: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(run))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    let failure = pthread_create(
      &thread, &attributes,
      { context in
        Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard failure == 0 else {
      context.release()
      return nil
    }
    self.thread = thread
  }

  /// Waits for its end; called once.
  package func join() { pthread_join(thread, nil) }

  /// Whether it is the thread that asks.
  package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

  /// Lets it end by itself, in the place of `join`.
  package func detach() { pthread_detach(thread) }
}
