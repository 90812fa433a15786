import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Progress on standard error: a line that is rewritten on a terminal, a line per step elsewhere.
final class Progress {
  private let isQuiet: Bool
  /// Text of the model goes to standard output as it comes; else it counts as progress.
  private let printsText: Bool
  private let start = Progress.now()
  private var drawingStart = 0.0
  private var openLine = OpenLine.none
  private var lastUpdate = 0.0
  private let isTerminal: Bool

  /// What stands on the last line of standard error.
  private enum OpenLine {
    case none
    /// Of a terminal: rewritten by the next step, and gone in the end.
    case step
    /// Of the model: stays.
    case text
  }

  init(isQuiet: Bool, printsText: Bool) {
    self.isQuiet = isQuiet
    self.printsText = printsText
    isTerminal =
      Console.errorIsTerminal && getenv("TERM").map { String(cString: $0) } != "dumb"
  }

  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  var elapsedSeconds: Double { Self.now() - start }

  func report(_ event: GenerationEvent) {
    switch event {
    case .shrunk(let picture, let from, let to, let tokenCount):
      line(
        "picture \(picture + 1): \(from.width)x\(from.height) shrunk to \(to.width)x\(to.height) "
          + "(\(tokenCount) tokens); --max-pixels changes the limit")
    case .loading(let done, let total):
      step("loading \(Self.bytes(done)) of \(Self.bytes(total))", isLast: done == total)
    case .encoding(let picture, let block, let blockCount):
      step("picture \(picture + 1): block \(block) of \(blockCount)", isLast: block == blockCount)
    case .textLimited(let tokenCount):
      line("the model's context has room for \(tokenCount) more tokens; --max-tokens asks for more")
    case .reading(let tokenCount):
      step("reading \(tokenCount) tokens", isLast: true)
    case .text(let text):
      if printsText {
        close()
        Console.output(text)
      } else if !isQuiet {
        if openLine == .step { close() }
        Console.send(text, to: STDERR_FILENO)
        openLine = text.hasSuffix("\n") ? .none : .text
      }
    case .drawing(let scale, let scaleCount, let drawnTokens, let tokenCount):
      // What a scale costs besides its tokens is worth about 16 of them.
      let (done, all) = (drawnTokens + 16 * scale, tokenCount + 16 * scaleCount)
      drawing(scale: scale, scaleCount: scaleCount, drawnShare: Double(done) / Double(all))
    case .decoding(let level, let levelCount):
      step("pixels: level \(level) of \(levelCount)", isLast: level == levelCount)
    }
  }

  private func drawing(scale: Int, scaleCount: Int, drawnShare: Double) {
    if scale == 0 {
      close()
      drawingStart = Self.now()
    }
    guard scale < scaleCount else { return }
    var text = "scale \(scale + 1) of \(scaleCount)"
    // The first scales are a few tokens: their time says little about the rest.
    if drawnShare >= 0.02 {
      let spent = Self.now() - drawingStart
      text += ", about \(Self.seconds(spent * (1 - drawnShare) / drawnShare)) left"
    }
    step(text, isLast: false)
  }

  static func seconds(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths < 600
      ? "\(tenths / 10).\(tenths % 10) s" : "\(tenths / 600) min \(tenths / 10 % 60) s"
  }

  /// A size in powers of 1000, as files are sized: `4.2 MB`.
  static func bytes(_ count: Int) -> String {
    var (value, unit) = (count, 0)
    while value >= 1_000_000 {
      value /= 1000
      unit += 1
    }
    guard count >= 1000 else { return "\(count) B" }
    let tenths = (value + 50) / 100
    return "\(tenths / 10).\(tenths % 10) " + ["kB", "MB", "GB", "TB", "PB"][unit]
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

  fileprivate func step(_ text: String, isLast: Bool) {
    guard !isQuiet else { return }
    if isTerminal {
      let now = Self.now()
      guard isLast || now - lastUpdate > 0.1 else { return }
      lastUpdate = now
      if openLine == .text { close() }
      Console.send("\r\u{1b}[K" + text, to: STDERR_FILENO)
      openLine = .step
    } else if isLast || text.hasPrefix("scale") {
      close()
      Console.error(text)
    }
  }
}

extension Progress {
  func percent(_ what: String, done: Int, total: Int) {
    guard total > 0 else { return }
    step("\(what): \(done * 100 / total) %", isLast: done == total)
  }
}
