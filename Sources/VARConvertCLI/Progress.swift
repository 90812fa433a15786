import Synchronization
import VARJSON
import VARSharedCLI
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Set by Ctrl-C, SIGTERM and SIGHUP; the conversion looks at it between blocks.
let isInterrupted = Atomic<Bool>(false)

/// Lets Ctrl-C, SIGTERM and SIGHUP end the work cleanly; a second one ends the process at once.
func catchInterrupts() {
  ProgramSignals.install { signalNumber in
    if isInterrupted.exchange(true, ordering: .relaxed) { _exit(128 + signalNumber) }
  }
}

/// One line on stderr that tells what happens, how fast, and how long it will take; on a terminal it is redrawn.
struct ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) != 0
  private let isQuiet: Bool
  private let start = MonotonicClock.seconds()
  private var shown = 0.0
  /// When this run began to do more than an earlier one, and how much was done by then: checking what the earlier one
  /// has left says nothing about the rate.
  private var rateStart = (time: 0.0, done: 0)

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  /// Prints a line that stays.
  func note(_ text: String) {
    if !isQuiet { printError(text) }
  }

  /// - Parameters:
  ///   - before: what was done before this run; it counts for the share and not for the rate.
  ///   - unit: what is counted, for the rate; empty where a rate says nothing.
  mutating func show(
    _ subject: String, done: Int, total: Int, before: Int = 0, unit: String
  ) {
    let time = MonotonicClock.seconds() - start
    if done <= before { rateStart = (time, done) }
    guard !isQuiet, time - shown >= (isTerminal ? 0.2 : 10) else { return }
    shown = time
    let percent = total > 0 ? Int(100 * Double(done) / Double(total)) : 100
    var text = "\(percent) %  "
    if !unit.isEmpty, done > rateStart.done, time > rateStart.time {
      let rate = Double(done - rateStart.done) / (time - rateStart.time)
      text += "\(Int(Double(total - done) / rate)) s left  \(Int(rate / 1e6)) M\(unit)/s  "
    }
    text += subject.printable
    if isTerminal {
      // What a narrow terminal can do without stands at the end.
      writeError("\r\u{1B}[K" + Terminal.fitted(text, STDERR_FILENO))
    } else {
      writeError(text + "\n")
    }
  }

  /// Clears the line.
  func finish() {
    if !isQuiet, isTerminal, shown > 0 { writeError("\r\u{1B}[K") }
  }
}
