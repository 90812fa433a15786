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

  package init(stop: StopSignal = StopSignal(), send: @escaping (Event) -> Void = { _ in }) {
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
    report(.plan(plan))
  }

  /// A unit of a stage begins: a picture, the prompt, a scale, a level.
  ///
  /// - Parameters:
  ///   - done: the share of the stage that is done.
  ///   - share: what the unit adds to that.
  ///   - layerCount: layers that the networks will go through.
  func begin(_ unit: Progress, done: Double, share: Double, layerCount: Int = 0) {
    if unit.stage != current.stage { enter(unit.stage) }
    self.unit = (done, share)
    current = unit
    current.layerCount = layerCount
    tell()
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
    let layers =
      current.layerCount > 0 ? Double(max(current.layer - 1, 0)) / Double(current.layerCount) : 0
    let done = doneWork + stageWork * (unit.start + unit.share * layers)
    let share = totalWork > 0 ? min(done / totalWork, 1) : 0
    current.fraction = plannedFraction + (1 - plannedFraction) * share
    current.seconds = seconds
    report(.progress(current))
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
