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
///
/// A drawing that has a scale gets one Ctrl-C more: the first lets it finish its scale.
enum Interruption {
  private static let count = Atomic<Int>(0)
  /// Signals that the work takes note of; the one behind them ends the program.
  private static let patience = Atomic<Int>(1)
  /// Whether another signal than that of Ctrl-C came: nothing goes on after it.
  private static let isFinal = Atomic<Bool>(false)

  static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

  /// Whether work is to stop: nobody wants it any more, or nobody gets what it writes.
  static var shouldStop: Bool { isRequested || Console.outputFailure != nil }

  /// Whether Ctrl-C, and nothing else, asked to stop.
  static var isControlC: Bool { isRequested && !isFinal.load(ordering: .relaxed) }

  /// Takes note that what ran has stopped: the next Ctrl-C is a first one again.
  static func forget() { if isControlC { count.store(0, ordering: .relaxed) } }

  /// Runs within a signal.
  private static func caught(_ signalNumber: Int32) {
    if signalNumber != SIGINT { isFinal.store(true, ordering: .relaxed) }
    let earlier = count.add(1, ordering: .relaxed).oldValue
    if earlier >= patience.load(ordering: .relaxed) { _exit(128 + signalNumber) }
  }

  /// Stops requests as soon as work is to stop.
  static let stop = StopSignal(polling: { shouldStop ? .now : nil })

  static func install() {
    ProgramSignals.install { Interruption.caught($0) }
  }
}

// MARK: Drawings

extension Interruption {
  /// Stops drawings: one Ctrl-C after the present scale where there is a scale already, everything else at once.
  static let drawingStop = StopSignal(polling: {
    guard shouldStop else { return nil }
    let finishesScale =
      patience.load(ordering: .relaxed) > 1 && count.load(ordering: .relaxed) == 1 && isControlC
    return finishesScale && Console.outputFailure == nil ? .afterScale : .now
  })

  /// A picture begins, and has nothing that is worth keeping.
  static func pictureBegins() { patience.store(1, ordering: .relaxed) }

  /// A scale of the picture is drawn.
  static func scaleIsDrawn() { patience.store(2, ordering: .relaxed) }
}
