import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C: the first stops the work within a layer, the second ends the program.
enum Interruption {
  private static let flag = Atomic<Bool>(false)

  static var isRequested: Bool { flag.load(ordering: .relaxed) }

  /// Whether work is to stop: nobody wants it any more, or nobody gets what it writes.
  static var shouldStop: Bool { isRequested || Console.outputFailure != nil }

  static func install() {
    signal(SIGINT) { _ in
      if Interruption.flag.exchange(true, ordering: .relaxed) { _exit(130) }
    }
    // A reader that goes away and a file that grows too large are errors of the write, not a reason to die.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}
