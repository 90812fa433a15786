import Synchronization
import VARLite
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C, SIGTERM and SIGHUP: the first stops the work within a layer, the second ends the program. A Ctrl-C that was
/// forgotten does not count.
enum Interruption {
  private static let flag = Atomic<Bool>(false)
  /// Whether another signal than that of Ctrl-C came: nothing goes on after it.
  private static let isFinal = Atomic<Bool>(false)

  static var isRequested: Bool { flag.load(ordering: .relaxed) }

  /// Whether work is to stop: nobody wants it any more, or nobody gets what it writes.
  static var shouldStop: Bool { isRequested || Console.outputFailure != nil }

  /// Whether Ctrl-C, and nothing else, asked to stop.
  static var isControlC: Bool { isRequested && !isFinal.load(ordering: .relaxed) }

  /// Takes note that what ran has stopped: the next Ctrl-C is a first one again.
  static func forget() { if isControlC { flag.store(false, ordering: .relaxed) } }

  /// Runs within a signal.
  private static func caught(_ signalNumber: Int32) {
    if signalNumber != SIGINT { isFinal.store(true, ordering: .relaxed) }
    if flag.exchange(true, ordering: .relaxed) { _exit(128 + signalNumber) }
  }

  /// Stops requests as soon as work is to stop.
  static let stop = StopSignal(polling: { shouldStop ? .now : nil })

  static func install() {
    ProgramSignals.install { Interruption.caught($0) }
  }
}
