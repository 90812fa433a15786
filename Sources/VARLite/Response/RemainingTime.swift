/// Estimates how long the rest of a request takes, from how long its parts have taken so far.
///
/// A part is what is timed as a whole: a picture that is looked at, the prompt, a scale, the pixels. It takes
///
///     max(fixed + perWork * work, diskBytes / diskSpeed)
///
/// The fixed time is that of going through the weights once, however few tokens there are. Reading weights from the
/// disk and computing go on at the same time, so that the slower of both decides. `fixed` and `perWork` come of least
/// squares over the parts so far, relative to their times, the latest counting most; few parts are helped by what
/// processors usually have. Which of both decided is told by the time that processors worked.
package struct RemainingTime: Sendable, Equatable {
  /// Something that is timed as a whole.
  package struct Part: Sendable, Equatable {
    package let stage: Progress.Stage
    /// Its number within the stage.
    package let index: Int
    /// What there is to compute, in any unit.
    package var work: Double
    /// Bytes that are read from the disk meanwhile.
    package let diskByteCount: Double

    package init(_ stage: Progress.Stage, index: Int, work: Double, diskByteCount: Double = 0) {
      self.stage = stage
      self.index = index
      self.work = work
      self.diskByteCount = diskByteCount
    }

    /// Whether it goes once through large matrices, as the pixels do not.
    fileprivate var hasFixedTime: Bool { stage == .drawing || stage == .reading }
  }

  /// What clocks say.
  package struct Moment: Sendable, Equatable {
    package let seconds: Double
    /// Seconds that processors worked, all threads together.
    let processorSeconds: Double

    package init(seconds: Double, processorSeconds: Double) {
      self.seconds = seconds
      self.processorSeconds = processorSeconds
    }

    fileprivate static func - (left: Moment, right: Moment) -> Moment {
      Moment(
        seconds: max(left.seconds - right.seconds, 1e-6),
        processorSeconds: max(left.processorSeconds - right.processorSeconds, 1e-6))
    }

    fileprivate func divided(by share: Double) -> Moment {
      Moment(seconds: seconds / share, processorSeconds: processorSeconds / share)
    }
  }

  /// A part that has ended, or goes on as it began.
  private struct Observation: Equatable {
    let part: Part
    let took: Moment
    /// How much it counts.
    let weight: Double
  }

  private let threadCount: Int
  private var parts: [Part] = []
  private var observations: [Observation] = []
  private var current: (index: Int, start: Moment)?

  package static func == (left: RemainingTime, right: RemainingTime) -> Bool {
    left.threadCount == right.threadCount && left.parts == right.parts
      && left.observations == right.observations && left.current?.index == right.current?.index
      && left.current?.start == right.current?.start
  }

  package init(threadCount: Int) { self.threadCount = threadCount }

  /// Says what is to be done. What was learnt stays.
  package mutating func expect(_ parts: [Part]) {
    self.parts = parts
    drawsPicture = parts.contains { $0.stage == .drawing }
    current = nil
  }

  /// Whether a picture is drawn among what was to be done.
  private(set) var drawsPicture = false

  /// A part begins, and the one before has ended.
  ///
  /// - Parameter share: of the part's work, where the rest need not be done.
  package mutating func begin(
    _ stage: Progress.Stage, index: Int, share: Double = 1, at moment: Moment
  ) {
    func isNext(_ part: Part) -> Bool { part.stage == stage && part.index == index }
    if let current, isNext(parts[current.index]) { return }
    guard parts.contains(where: isNext) else { return }
    end(at: moment)
    guard let next = parts.firstIndex(where: isNext) else { return }
    parts[next].work *= share
    current = (next, moment)
  }

  /// The present part has ended, and none of the others has begun.
  package mutating func end(at moment: Moment) {
    guard let current else { return }
    observations.append(
      Observation(part: parts[current.index], took: moment - current.start, weight: 1))
    if observations.count > Self.mostObservations { observations.removeFirst() }
    parts.removeSubrange(...current.index)
    self.current = nil
  }

  /// Observations that are kept: older ones count next to nothing.
  private static let mostObservations = 24
  /// How much less a part counts than the one behind it.
  private static let fading = 0.6
  /// The share of a part from which on it tells something of the others.
  private static let leastShare = 0.1

  /// Seconds of the rest; nil where nothing is known yet.
  ///
  /// - Parameter share: the share of the present part that is done.
  package func seconds(done share: Double, at moment: Moment) -> Double? {
    var seen = observations
    var elapsed = 0.0
    var rest = parts[...]
    if let current {
      let took = moment - current.start
      elapsed = took.seconds
      if share >= Self.leastShare {
        seen.append(
          Observation(part: parts[current.index], took: took.divided(by: share), weight: share))
      }
      rest = parts[(current.index + 1)...]
    }
    guard let pace = Pace(seen, rest: parts, threadCount: threadCount) else { return nil }
    var seconds = rest.reduce(0) { $0 + pace.seconds($1) }
    if let current {
      // What the pace says counts less the further the part is.
      let expected = pace.seconds(parts[current.index])
      seconds += (1 - share) * ((1 - share) * expected + elapsed)
    }
    return seconds
  }

  /// How fast parts go.
  private struct Pace {
    private var fixed = 0.0
    private var perWork = 0.0
    /// Bytes per second; nil where reading never took longer than computing.
    private var diskSpeed: Double?

    init?(_ observations: [Observation], rest: [Part], threadCount: Int) {
      guard !observations.isEmpty else { return nil }
      // Seconds for each second of a processor, where nothing is waited for.
      var slowness = Double.infinity
      for seen in observations {
        slowness = min(slowness, seen.took.seconds / seen.took.processorSeconds)
      }
      let reads = observations.contains { $0.part.diskByteCount > 0 }
      if reads { slowness = min(slowness, 1.25 / Double(threadCount)) }
      var sums = Sums(usualFixedWork: Self.usualFixedWork(observations.map(\.part) + rest))
      var age = 1.0
      for seen in observations.reversed() {
        let took = seen.took
        var computed = took.seconds
        if seen.part.diskByteCount > 0 {
          computed = min(took.seconds, slowness * took.processorSeconds)
          if took.seconds > 1.15 * computed, diskSpeed == nil {
            diskSpeed = seen.part.diskByteCount / took.seconds
          }
        }
        sums.add(seen.part, seconds: computed, weight: seen.weight * age)
        age *= RemainingTime.fading
      }
      guard let (fixed, perWork) = sums.solution else { return nil }
      (self.fixed, self.perWork) = (fixed, perWork)
    }

    /// The work that takes as long as going through the weights: that of some tokens.
    private static func usualFixedWork(_ parts: [Part]) -> Double {
      8 * (parts.filter { $0.stage == .drawing && $0.work > 0 }.map(\.work).min() ?? 0)
    }

    func seconds(_ part: Part) -> Double {
      let computing = (part.hasFixedTime ? fixed : 0) + perWork * part.work
      guard let diskSpeed else { return computing }
      return max(computing, part.diskByteCount / diskSpeed)
    }
  }

  /// Sums of weighted least squares of `fixed * count + perWork * work = seconds`.
  private struct Sums {
    /// Stands for 1 of work, so that numbers are near each other.
    private let unit: Double
    private let usualFixedWork: Double
    private var (countCount, countWork, workWork) = (0.0, 0.0, 0.0)
    private var (countTime, workTime) = (0.0, 0.0)
    /// The same for `perWork` alone, with the usual fixed time.
    private var (allAll, allTime) = (0.0, 0.0)
    private var firstWeight = 0.0

    /// How much the usual relation of both counts beside one part.
    private static let usualWeight = 0.03

    init(usualFixedWork: Double) {
      unit = usualFixedWork > 0 ? usualFixedWork : 1
      self.usualFixedWork = usualFixedWork / unit
    }

    mutating func add(_ part: Part, seconds: Double, weight: Double) {
      let weight = weight / (seconds * seconds)
      let (count, work) = (part.hasFixedTime ? 1.0 : 0, part.work / unit)
      if firstWeight == 0 { firstWeight = weight }
      countCount += weight * count * count
      countWork += weight * count * work
      workWork += weight * work * work
      countTime += weight * count * seconds
      workTime += weight * work * seconds
      let all = count * usualFixedWork + work
      allAll += weight * all * all
      allTime += weight * all * seconds
    }

    var solution: (fixed: Double, perWork: Double)? {
      guard allAll > 0, allTime > 0 else { return nil }
      // One more row that says `fixed = usualFixedWork * perWork`.
      let usual = Self.usualWeight * firstWeight
      let (first, mixed) = (countCount + usual, countWork - usual * usualFixedWork)
      let last = workWork + usual * usualFixedWork * usualFixedWork
      let determinant = first * last - mixed * mixed
      guard determinant > 1e-12 * first * last else {
        return (usualFixedWork * allTime / allAll, allTime / allAll / unit)
      }
      let fixed = (last * countTime - mixed * workTime) / determinant
      let perWork = (first * workTime - mixed * countTime) / determinant
      if fixed < 0 { return (0, max(workTime / workWork, 0) / unit) }
      if perWork < 0 { return (usualFixedWork * allTime / allAll, allTime / allAll / unit) }
      return (fixed, perWork / unit)
    }
  }
}
