import VARLite
import VARModels
import VARSharedCLI
import VARSystem
import VARVision

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
  /// What the last step was about that was printed as a line.
  private var lastStep = ""
  private let isTerminal: Bool
  /// When the model started to write; nil before.
  private var writingStart: Double?
  private var parts = PartTimes()
  /// Cells of the picture that stands above the present line; nil where there is none.
  private var shownPicture: (columns: Int, rows: Int)?
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
    isTerminal = Console.errorIsTerminal && Console.variable("TERM") != "dumb"
  }

  convenience init(isQuiet: Bool, printsText: Bool) {
    self.init(detail: isQuiet ? .none : .steps, printsText: printsText)
  }

  var elapsedSeconds: Double { MonotonicClock.seconds() - start }

  func report(_ event: Event) {
    if let plan = event.plan, detail == .everything { line(plan.verboseText) }
    if let note = event.note, !isQuiet { line(note.text) }
    if let text = event.text { show(text) }
    if let progress = event.progress { show(progress) }
  }

  private func show(_ progress: VARLite.Progress) {
    if let part = progress.stage.part { parts.begin(part, at: MonotonicClock.seconds()) }
    if progress.stage == .writing { writingStart = writingStart ?? MonotonicClock.seconds() }
    guard !isQuiet, var status = StatusText(progress) else {
      if progress.stage == .drawing { close() }
      return
    }
    let isLast =
      progress.stage == .reading ? progress.layer == 0 : progress.done == progress.total
    step(isLast: isLast, isLine: isLast || progress.stage == .drawing && progress.layer == 0) {
      guard progress.stage != .waiting, progress.stage != .loading else { return status }
      status.byteCount = ProcessMemory.current()?.byteCount
      return status
    }
  }

  private func show(_ text: String) {
    shownPicture = nil
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
    shownPicture = nil
    Console.error(text)
  }

  /// Shows a picture above the line that moves, in the place of the one before where nothing was said since.
  func show(_ picture: TerminalPicture) {
    close()
    var text = "\r"
    if let shownPicture, shownPicture == (picture.columns, picture.rows) {
      text += "\u{1b}[\(picture.rows)A"
    } else {
      // Room is made first: a terminal that scrolls meanwhile would move the place that it is to come back to.
      text += String(repeating: "\n", count: picture.rows) + "\u{1b}[\(picture.rows)A"
    }
    text += "\u{1b}7" + picture.text + "\u{1b}8\u{1b}[\(picture.rows)B\r"
    Console.send(text, to: STDERR_FILENO)
    shownPicture = (picture.columns, picture.rows)
  }

  /// - Parameters:
  ///   - isLast: whether it is shown although another one was shown just now.
  ///   - isLine: whether it stands on a line of its own where nothing moves.
  private func step(isLast: Bool, isLine: Bool, _ status: () -> StatusText) {
    guard !isQuiet else { return }
    if isTerminal {
      let now = MonotonicClock.seconds()
      guard isLast || now - lastUpdate > 0.1 else { return }
      lastUpdate = now
      if openLine == .text { close() }
      let text = status().text(columns: Terminal.columns(STDERR_FILENO))
      Console.send("\r\u{1b}[K" + text, to: STDERR_FILENO)
      openLine = .step
    } else if isLine {
      let status = status()
      guard status.subject.long != lastStep else { return }
      close()
      Console.error(status.line)
      lastStep = status.subject.long
    }
  }

  func percent(_ what: String, done: Int, total: Int) {
    guard total > 0 else { return }
    let text = "\(what): \(done * 100 / total) %"
    step(isLast: done == total, isLine: done == total) {
      StatusText(share: text)
    }
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
