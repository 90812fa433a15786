import VARModels
import VARSystem

/// Tells whoever asked how far a request is, and asks whether it is to stop.
///
/// The share of the work that is done comes of the plan: each phase counts with what it computes, and within a phase
/// the layers that the networks have gone through.
package final class RequestReporter {
  let stop: StopSignal
  /// Whether a picture is drawn, behind one of whose scales the request may stop.
  var drawsPicture = false
  private var send: (Event) -> Void
  private let clock = StageTimes()
  /// When the request began to run; nil before.
  private var start: Double?
  private var current = Progress(.waiting)
  /// The share of the work that was done when the present plan was made.
  private var plannedFraction = 0.0
  /// Shares of the work, in the order in which they come.
  private var stages: [(stage: Progress.Stage, work: Double)] = []
  private var totalWork = 0.0
  /// What the stages before the present one have done, and what the present one has to do.
  private var doneWork = 0.0
  private var stageWork = 0.0
  /// Of the present stage: the share done when its unit began, and the unit's share.
  private var unit = (start: 0.0, share: 0.0)
  /// The present unit's layers, and what share of its work they are.
  private var runs: [LayerRun] = []
  private var remaining: RemainingTime
  /// When the layers of the present scale began.
  private var layerStarts: [Double] = []
  /// The share of the last scale's time at which each of its layers began: not all of a scale is layers.
  private var layerTimes: [Double] = []
  /// The share of the present part that was done when its unit began.
  private var partDone = 0.0
  /// What each part of the work consists of.
  private var pieces: [Part: [Double]] = [:]

  /// Layers that cost the same.
  private struct LayerRun {
    let count: Int
    let share: Double
  }

  private struct Part: Hashable {
    let stage: Progress.Stage
    let index: Int
  }

  /// A unit of a stage: a picture, the prompt, a scale, a level.
  struct Unit {
    let progress: Progress
    /// The share of the stage that is done, and what the unit adds to that.
    let done, share: Double
    /// Layers that the networks will go through, for each piece of the unit's work.
    var layerCounts: [Int] = []
    /// The share of a picture or of pixels that is done, where they are no layers.
    var partDone = 0.0
    /// The share of the work that was planned for it.
    var workShare = 1.0

    init(_ progress: Progress, done: Double, share: Double) {
      self.progress = progress
      self.done = done
      self.share = share
    }
  }

  package init(
    stop: StopSignal = StopSignal(), threadCount: Int = 1,
    send: @escaping (Event) -> Void = { _ in }
  ) {
    remaining = RemainingTime(threadCount: threadCount)
    self.stop = stop
    self.send = send
  }

  func report(_ content: Event.Content) { send(Event(content)) }

  var timings: [(stage: Progress.Stage, seconds: Double)] { clock.times }

  /// Whether a text ends after the present token.
  var endsText: Bool { !drawsPicture && stop.requested == .afterScale }

  /// The request waits, and `place` others start before it.
  func waits(_ place: Int) {
    current.total = max(current.total, place)
    current.done = current.total - place
    report(.progress(current))
  }

  /// The request begins to run, or goes on with another plan.
  func begin(_ plan: RequestPlan) {
    start = start ?? MonotonicClock.seconds()
    plannedFraction = current.fraction
    stages = []
    for stage in plan.phases.flatMap(\.stages) {
      if stage.stage == stages.last?.stage {
        stages[stages.count - 1].work += stage.work
      } else {
        stages.append(stage)
      }
    }
    totalWork = stages.reduce(0) { $0 + $1.work }
    (doneWork, stageWork, unit) = (0, 0, (0, 0))
    var parts: [RemainingTime.Part] = []
    pieces = [:]
    for phase in plan.phases {
      guard let stage = phase.stages.first?.stage, phase.kind != .drawingContext else { continue }
      for (index, works) in phase.parts.enumerated() {
        let units = works.map(\.batchUnits)
        parts.append(
          RemainingTime.Part(
            stage, index: index, work: units.reduce(0, +),
            diskByteCount: Double(phase.diskByteCountPerPass)))
        pieces[Part(stage: stage, index: index)] = units
      }
    }
    remaining.expect(parts)
    report(.plan(plan))
  }

  /// A unit of a stage begins.
  func begin(_ unit: Unit) {
    learnLayerTimes()
    if unit.progress.stage != current.stage { enter(unit.progress.stage) }
    self.unit = (unit.done, unit.share)
    current = unit.progress
    current.layerCount = unit.layerCounts.reduce(0, +)
    let part = Part(stage: current.stage, index: current.stage == .decoding ? 0 : current.index)
    let units = pieces[part] ?? []
    let work = units.reduce(0, +)
    runs = []
    if units.count == unit.layerCounts.count, work > 0 {
      runs = zip(unit.layerCounts, units).map { LayerRun(count: $0, share: $1 / work) }
    }
    partDone = unit.partDone
    if current.stage == .writing || current.stage == .drawing && current.done == current.total {
      remaining.end(at: Self.moment)
    } else {
      remaining.begin(
        current.stage, index: part.index, share: unit.workShare, at: Self.moment)
    }
    tell()
  }

  /// What was timed as a whole has ended.
  func endPart() { remaining.end(at: Self.moment) }

  /// The share of a drawing's work that lies before a scale.
  func workBefore(_ scale: Int) -> Double {
    var (before, all) = (0.0, 0.0)
    for (part, units) in pieces where part.stage == .drawing {
      let work = units.reduce(0, +)
      all += work
      if part.index < scale { before += work }
    }
    return all > 0 ? before / all : 0
  }

  /// The share of a part's work behind the first of its pieces.
  func share(ofStage stage: Progress.Stage, index: Int = 0, pieceCount: Int) -> Double {
    let units = pieces[Part(stage: stage, index: index)] ?? []
    let all = units.reduce(0, +)
    return all > 0 ? units.prefix(pieceCount).reduce(0, +) / all : 0
  }

  private static var moment: RemainingTime.Moment {
    RemainingTime.Moment(
      seconds: MonotonicClock.seconds(), processorSeconds: MonotonicClock.processorSeconds())
  }

  /// Weights are read before they are used.
  func loads(_ done: Int, of total: Int) {
    var progress = Progress(.loading, done: done, total: total)
    (progress.fraction, progress.seconds) = (current.fraction, seconds)
    report(.progress(progress))
  }

  /// All is done, what was planned for and not needed included.
  func finish() {
    end()
    guard current.fraction < 0.999_999 else { return }
    (current.fraction, current.seconds) = (1, seconds)
    report(.progress(current))
  }

  /// A layer of a network begins.
  func layerBegins() {
    guard current.layer < current.layerCount else { return }
    current.layer += 1
    layerStarts.append(MonotonicClock.seconds())
    // The first layer begins with its unit.
    if current.layer > 1 { tell() }
  }

  private func enter(_ stage: Progress.Stage) {
    clock.enter(stage)
    guard let index = stages.firstIndex(where: { $0.stage == stage }) else { return }
    // What the stage before left undone, as the tokens of a text that ended early, was no work after all.
    let done = stageWork * min(unit.start + unit.share, 1)
    totalWork -= stageWork - done + stages[..<index].reduce(0) { $0 + $1.work }
    doneWork += done
    stageWork = stages[index].work
    stages.removeSubrange(...index)
  }

  private func tell() {
    let layers = layerShare
    let done = doneWork + stageWork * (unit.start + unit.share * layers)
    let share = totalWork > 0 ? min(done / totalWork, 1) : 0
    current.fraction = plannedFraction + (1 - plannedFraction) * share
    current.seconds = seconds
    current.secondsLeft = secondsLeft(partDone: max(partDone, timeShare ?? layers))
    report(.progress(current))
  }

  /// Takes over when the layers of a scale began that has just ended.
  private func learnLayerTimes() {
    defer { layerStarts = [] }
    guard current.stage == .drawing, let start = layerStarts.first,
      layerStarts.count == current.layerCount
    else { return }
    let all = max(MonotonicClock.seconds() - start, 1e-9)
    layerTimes = layerStarts.map { ($0 - start) / all }
  }

  /// The share of the present scale's time that has passed, by the scale before; nil where nothing tells it.
  private var timeShare: Double? {
    guard current.stage == .drawing, current.layer > 0, layerTimes.count == current.layerCount
    else { return nil }
    return layerTimes[current.layer - 1]
  }

  /// The share of the present unit's work that its layers have done.
  private var layerShare: Double {
    var left = max(current.layer - 1, 0)
    guard !runs.isEmpty else {
      return current.layerCount > 0 ? Double(left) / Double(current.layerCount) : 0
    }
    var share = 0.0
    for run in runs {
      let count = min(left, run.count)
      share += run.count > 0 ? run.share * Double(count) / Double(run.count) : 0
      left -= count
    }
    return share
  }

  private func secondsLeft(partDone: Double) -> Double? {
    guard remaining.drawsPicture else {
      let fraction = current.fraction
      return fraction >= 0.02 ? seconds * (1 - fraction) / fraction : nil
    }
    return current.stage == .writing ? nil : remaining.seconds(done: partDone, at: Self.moment)
  }

  private var seconds: Double { start.map { MonotonicClock.seconds() - $0 } ?? 0 }

  /// The request is over.
  func end() { clock.end() }

  /// From now on nobody is told: the caller's closure is only lent.
  func fallSilent() { send = { _ in } }
}

/// How long the stages of a request took.
private final class StageTimes {
  private(set) var times: [(stage: Progress.Stage, seconds: Double)] = []
  private var current: (stage: Progress.Stage, start: Double)?

  func enter(_ stage: Progress.Stage) {
    end()
    current = (stage, MonotonicClock.seconds())
  }

  func end() {
    guard let current else { return }
    let seconds = MonotonicClock.seconds() - current.start
    if let index = times.firstIndex(where: { $0.stage == current.stage }) {
      times[index].seconds += seconds
    } else {
      times.append((current.stage, seconds))
    }
    self.current = nil
  }
}

extension RequestPlan.Phase {
  /// The stages of the phase and their work, in units of multiply-adds with int8 activations.
  fileprivate var stages: [(stage: Progress.Stage, work: Double)] {
    switch kind {
    case .vision: [(.looking, work.batchUnits)]
    case .conversation: [(.reading, work.batchUnits), (.writing, work.singleRowUnits)]
    case .drawingContext, .drawing: [(.drawing, work.batchUnits)]
    case .decoding: [(.decoding, work.batchUnits)]
    default: []
    }
  }
}

extension PhaseWork {
  /// About what processors need: a multiply-add in f32 takes the time of three in int8, and a byte of weights that is
  /// read for a single row that of ten.
  fileprivate var batchUnits: Double { quantizedOperations + 3 * floatOperations }
  fileprivate var singleRowUnits: Double { 10 * singleRowBytes }
}
