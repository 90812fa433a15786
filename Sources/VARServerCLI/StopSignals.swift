import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C and SIGTERM: the first one lets the program end in order, the second one ends it.
enum StopSignals {
  private static let numbers = [SIGINT, SIGTERM, SIGHUP]

  private static func set() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    return set
  }

  /// Keeps the signals from this thread, and from those that it starts.
  static func block() {
    var set = set()
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // Clients that go away are errors of the write.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Waits for the signals on a thread of its own.
  static func wait(_ first: @escaping @Sendable () -> Void) {
    JoinableThread {
      var set = set()
      var number: Int32 = 0
      sigwait(&set, &number)
      first()
      sigwait(&set, &number)
      _exit(128 + number)
    }?.detach()
  }
}
