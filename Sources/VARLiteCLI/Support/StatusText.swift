import VARLite

/// How far a request is, on one line, with as much of it as there is room for.
struct StatusText {
  /// What runs, for lines with room and for others: `scale 5 of 7`, `5/7`.
  let subject: (long: String, short: String)
  /// Layers that are done of those of the present scale.
  var layers: (done: Int, count: Int)?
  /// The share of the work that is done.
  var fraction: Double?
  /// Seconds since the request began, and those that the rest takes.
  var elapsed: Double?
  var left: Double?
  /// Resident memory.
  var byteCount: Int?
  /// Whether a line that does not move tells times too: a drawing's does, the others stand there before the work.
  var hasTimes = false

  /// The longest form that takes fewer columns than there are: with all of them some terminals wrap. Of the shortest
  /// form, its start.
  func text(columns: Int) -> String {
    let forms = forms
    let room = max(1, columns - 1)
    return forms.first { $0.count <= room } ?? String(forms[forms.count - 1].prefix(room))
  }

  /// The whole line but for the layers: for what does not move.
  var line: String {
    hasTimes ? Self.joined([subject.long, percent, clock, longLeft, memory]) : subject.long
  }

  private var forms: [String] {
    let long = layers.map { "layer \($0.done) of \($0.count)" }
    let short = layers.map { "\($0.done)/\($0.count)" }
    return [
      [subject.long, long, percent, clock, longLeft, memory],
      [subject.long, short, percent, clock, shortLeft, memory],
      [subject.long, percent, clock, shortLeft, memory],
      [subject.long, percent, clock, shortLeft], [subject.long, percent, shortLeft],
      [subject.long, shortLeft], [subject.short, percent, shortLeft], [subject.short, percent],
      [subject.short],
    ].map(Self.joined)
  }

  private static func joined(_ parts: [String?]) -> String {
    parts.compactMap(\.self).joined(separator: ", ")
  }

  private var percent: String? { fraction.map { "\(Int($0 * 100)) %" } }
  private var memory: String? { byteCount.map(ProgressLine.bytes) }
  private var longLeft: String? { left.map { "about \(ProgressLine.roughly($0)) left" } }
  private var shortLeft: String? { left.map { "\(ProgressLine.roughly($0)) left" } }

  /// `0:07`, `12:07`, `1:02:07`.
  private var clock: String? {
    guard let elapsed else { return nil }
    let whole = Int(min(max(elapsed, 0), 1e9))
    let seconds = "\(100 + whole % 60)".dropFirst()
    guard whole >= 3600 else { return "\(whole / 60):\(seconds)" }
    return "\(whole / 3600):\("\(100 + whole / 60 % 60)".dropFirst()):\(seconds)"
  }
}

extension StatusText {
  /// - Returns: nil for a stage that has no line.
  init?(_ progress: VARLite.Progress) {
    let (done, total) = (progress.done, progress.total)
    switch progress.stage {
    case .waiting:
      self.init("waiting for other requests")
      return
    case .loading:
      self.init("loading \(ProgressLine.bytes(done)) of \(ProgressLine.bytes(total))")
      return
    case .looking: self.init("picture \(progress.index + 1): block \(done) of \(total)")
    case .reading: self.init("reading \(total) tokens")
    case .drawing where done < total:
      self.init(subject: ("scale \(done + 1) of \(total)", "\(done + 1)/\(total)"))
    case .decoding: self.init("pixels: level \(done) of \(total)")
    default: return nil
    }
    if progress.layerCount > 0, progress.stage != .looking {
      layers = (max(0, progress.layer - 1), progress.layerCount)
    }
    hasTimes = progress.stage == .drawing || progress.stage == .decoding
    fraction = progress.fraction
    elapsed = progress.seconds
    left = progress.fraction < 1 ? progress.secondsLeft : nil
  }

  /// A share of something that has no plan.
  init(share text: String) { self.init(text) }

  private init(_ subject: String) { self.init(subject: (subject, subject)) }
}
