import VARLite
import VARModels
import VARSharedCLI
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// ProgressLine on standard error: a line that is rewritten on a terminal, a line per step elsewhere.
final class ProgressLine {
  /// How much is said.
  enum Detail {
    case none, steps, everything
  }

  private let detail: Detail
  private var isQuiet: Bool { detail == .none }
  /// Text of the model goes to standard output as it comes; else it counts as progress.
  private let printsText: Bool
  private let start = MonotonicClock.seconds()
  private var openLine = OpenLine.none
  private var lastUpdate = 0.0
  /// The last step that was printed as a line.
  private var lastLine = ""
  private let isTerminal: Bool
  /// When the model started to write; nil before.
  private var writingStart: Double?
  private var parts = PartTimes()
  /// Whether text of the model stands on standard output.
  private(set) var hasShownText = false

  /// What stands on the last line of standard error.
  private enum OpenLine {
    case none
    /// Of a terminal: rewritten by the next step, and gone in the end.
    case step
    /// Of the model: stays.
    case text
  }

  init(detail: Detail, printsText: Bool) {
    self.detail = detail
    self.printsText = printsText
    isTerminal =
      Console.errorIsTerminal && getenv("TERM").map { String(cString: $0) } != "dumb"
  }

  convenience init(isQuiet: Bool, printsText: Bool) {
    self.init(detail: isQuiet ? .none : .steps, printsText: printsText)
  }

  var elapsedSeconds: Double { MonotonicClock.seconds() - start }

  func report(_ event: Event) {
    if let plan = event.plan, detail == .everything { line(plan.verboseText) }
    if let note = event.note { line(note.text) }
    if let text = event.text { show(text) }
    if let progress = event.progress { show(progress) }
  }

  private func show(_ progress: VARLite.Progress) {
    if let part = progress.stage.part { parts.begin(part, at: MonotonicClock.seconds()) }
    let (done, total) = (progress.done, progress.total)
    switch progress.stage {
    case .waiting: step("waiting for other requests", isLast: false)
    case .loading:
      step("loading \(Self.bytes(done)) of \(Self.bytes(total))", isLast: done == total)
    case .looking:
      step("picture \(progress.index + 1): block \(done) of \(total)", isLast: done == total)
    case .reading where progress.layer == 0: step("reading \(total) tokens", isLast: true)
    case .writing: writingStart = writingStart ?? MonotonicClock.seconds()
    case .drawing where progress.layer == 0: showScale(progress)
    case .decoding: step("pixels: level \(done) of \(total)", isLast: done == total)
    default: break
    }
  }

  private func show(_ text: String) {
    if printsText {
      hasShownText = true
      close()
      Console.output(written: text)
    } else if !isQuiet {
      if openLine == .step { close() }
      Console.send(text.escapedLines, to: STDERR_FILENO)
      openLine = text.hasSuffix("\n") ? .none : .text
    }
  }

  private func showScale(_ progress: VARLite.Progress) {
    let (scale, count) = (progress.done, progress.total)
    if scale == 0 { close() }
    guard scale < count else { return }
    var (text, short) = ("scale \(scale + 1) of \(count)", "\(scale + 1)/\(count)")
    if let seconds = progress.secondsLeft {
      let left = Self.roughly(seconds)
      text += ", about \(left) left"
      short += ", \(left)"
    }
    step(text, short: short, isLast: false)
  }

  /// What a text took that has just ended: its tokens, the seconds of the whole request, and the rate of writing.
  func textSummary(tokenCount: Int) -> String {
    let noun = tokenCount == 1 ? "token" : "tokens"
    let text = "\(tokenCount) \(noun) in \(Self.seconds(elapsedSeconds))"
    guard let writingStart, MonotonicClock.seconds() > writingStart else { return text }
    let rate = min(Double(tokenCount) / (MonotonicClock.seconds() - writingStart), 1e9)
    let shown = rate < 10 ? "\((rate * 10).rounded() / 10)" : "\(Int(rate.rounded()))"
    return text + ", \(shown) tokens per second"
  }

  /// Says how long each part took, where everything is said.
  func finish() {
    close()
    guard detail == .everything else { return }
    let times = parts.end(at: MonotonicClock.seconds()).map {
      "\($0.part) \(Self.hundredths($0.seconds))"
    }
    line("times: " + (times + ["all \(Self.hundredths(elapsedSeconds))"]).joined(separator: ", "))
  }

  /// Ends an open line, before anything else is printed.
  func close() {
    switch openLine {
    case .none: return
    case .step: Console.send("\r\u{1b}[K", to: STDERR_FILENO)
    case .text: Console.send("\n", to: STDERR_FILENO)
    }
    openLine = .none
  }

  func line(_ text: String) {
    close()
    Console.error(text)
  }

  /// - Parameter short: the same for a terminal of few columns.
  private func step(_ text: String, short: String? = nil, isLast: Bool) {
    guard !isQuiet else { return }
    if isTerminal {
      let now = MonotonicClock.seconds()
      guard isLast || now - lastUpdate > 0.1 else { return }
      lastUpdate = now
      if openLine == .text { close() }
      let isNarrow = text.count >= Terminal.columns(STDERR_FILENO)
      Console.send(
        "\r\u{1b}[K" + Terminal.fitted(isNarrow ? short ?? text : text, STDERR_FILENO),
        to: STDERR_FILENO)
      openLine = .step
    } else if isLast || text.hasPrefix("scale"), text != lastLine {
      close()
      Console.error(text)
      lastLine = text
    }
  }

  func percent(_ what: String, done: Int, total: Int) {
    guard total > 0 else { return }
    step("\(what): \(done * 100 / total) %", isLast: done == total)
  }
}

/// How long the parts of a request took, in their order.
struct PartTimes {
  private var times: [(part: String, seconds: Double)] = []
  private var current: (part: String, start: Double)?

  mutating func begin(_ part: String, at time: Double) {
    guard current?.part != part else { return }
    _ = end(at: time)
    current = (part, time)
  }

  /// Ends the part that runs.
  mutating func end(at time: Double) -> [(part: String, seconds: Double)] {
    if let current {
      if let index = times.firstIndex(where: { $0.part == current.part }) {
        times[index].seconds += time - current.start
      } else {
        times.append((current.part, time - current.start))
      }
    }
    current = nil
    return times
  }
}
