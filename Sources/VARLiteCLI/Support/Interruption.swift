import Synchronization
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C, SIGTERM and SIGHUP: the first stops the work within a layer, the second ends the program.
enum Interruption {
  private static let flag = Atomic<Bool>(false)

  static var isRequested: Bool { flag.load(ordering: .relaxed) }

  /// Whether work is to stop: nobody wants it any more, or nobody gets what it writes.
  static var shouldStop: Bool { isRequested || Console.outputFailure != nil }

  static func install() {
    ProgramSignals.install { signalNumber in
      if Interruption.flag.exchange(true, ordering: .relaxed) { _exit(128 + signalNumber) }
    }
  }
}
