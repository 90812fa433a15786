import Testing
import VARLite

/// Times to come, estimated from recorded and made-up times of a request's parts.
@Suite struct RemainingTimeTests {
  /// A part and how long it took.
  struct Timed: Sendable {
    let part: RemainingTime.Part
    let seconds: Double
    /// Seconds of all processors.
    let processorSeconds: Double
  }

  /// A request and its parts.
  struct Run: Sendable, CustomStringConvertible {
    let name: String
    let threadCount: Int
    let parts: [Timed]
    var description: String { name }
  }

  /// The largest error of the estimates from a fifth of the work on, relative to what was really left, as long as that
  /// is a twentieth of all.
  private func largestError(_ run: Run) -> (error: Double, at: Double) {
    var estimate = RemainingTime(threadCount: run.threadCount)
    estimate.expect(run.parts.map(\.part))
    let all = run.parts.reduce(0) { $0 + $1.seconds }
    let allWork = run.parts.reduce(0) { $0 + $1.part.work }
    var (seconds, processorSeconds, work) = (100.0, 7.0, 0.0)
    var worst = (error: 0.0, at: 0.0)
    for timed in run.parts {
      func moment(_ share: Double) -> RemainingTime.Moment {
        RemainingTime.Moment(
          seconds: seconds + share * timed.seconds,
          processorSeconds: processorSeconds + share * timed.processorSeconds)
      }
      estimate.begin(timed.part.stage, index: timed.part.index, at: moment(0))
      for share in stride(from: 0.0, to: 1, by: 0.1) {
        let left = 100 + all - moment(share).seconds
        guard (work + share * timed.part.work) / allWork >= 0.2, left > all / 20 else { continue }
        guard let found = estimate.seconds(done: share, at: moment(share)) else {
          return (.infinity, share)
        }
        let error = abs(found - left) / left
        if error > worst.error { worst = (error, (moment(share).seconds - 100) / all) }
      }
      seconds += timed.seconds
      processorSeconds += timed.processorSeconds
      work += timed.part.work
    }
    return worst
  }

  private static let tokens = [1, 4, 16, 36, 64, 144, 256, 400, 576, 1024]

  /// Times of scales of these tokens, from a formula.
  private static func run(
    _ name: String, scales: Int = 10, disk: Double = 0,
    _ seconds: (_ tokens: Double) -> (wall: Double, work: Double)
  ) -> Run {
    let parts = tokens.prefix(scales).enumerated().map { index, tokens in
      let took = seconds(Double(tokens))
      return Timed(
        part: RemainingTime.Part(
          .drawing, index: index, work: Double(tokens) * 3e9, diskByteCount: disk),
        seconds: took.wall, processorSeconds: took.work)
    }
    return Run(name: name, threadCount: 2, parts: parts)
  }

  static let madeUp = [
    run("in memory") { (0.5 + 0.03 * $0, 1 + 0.06 * $0) },
    run("a slow beginning") { (0.5 + 0.03 * $0 + ($0 == 1 ? 20 : 0), 1 + 0.06 * $0) },
    run("no fixed time", scales: 7) { (0.1 * $0, 0.2 * $0) },
    run("read from a slow disk", disk: 8e9) { (max(60, 0.5 + 0.03 * $0), 1 + 0.06 * $0) },
    run("read from a disk at first", disk: 8e9) { (max(6, 0.5 + 0.03 * $0), 1 + 0.06 * $0) },
    run("read in time", disk: 8e9) { (0.6 + 0.03 * $0, 1 + 0.06 * $0) },
    run("larger scales are faster") { (0.5 + 0.04 * $0 - 0.000_007 * $0 * $0, 1 + 0.06 * $0) },
  ]

  /// A picture of 1024 px by the demo model on two processors that others used too, as the line of progress told it.
  /// So small a model computes attention above all: work is tokens times those that they see.
  static let recorded: Run = {
    let tokens = [1, 4, 16, 36, 64, 144, 256, 400, 576, 1024, 1600, 2304, 4096]
    let seconds = [
      0.04, 0.04, 0.04, 0.04, 0.05, 0.06, 0.44, 0.51, 1.25, 2.8, 6.24, 13.4, 36.9,
    ]
    func timed(
      _ stage: Progress.Stage, _ index: Int, _ work: Double, _ seconds: Double
    ) -> Timed {
      Timed(
        part: RemainingTime.Part(stage, index: index, work: work), seconds: seconds,
        processorSeconds: 2 * seconds)
    }
    var parts = [timed(.reading, 0, 2400, 0.6)]
    var seen = 600
    for (index, count) in tokens.enumerated() {
      seen += count
      parts.append(timed(.drawing, index, Double(count * seen), seconds[index]))
    }
    parts.append(timed(.decoding, 0, 16.8e6, 13.5))
    return Run(name: "recorded", threadCount: 2, parts: parts)
  }()

  @Test(arguments: madeUp + [recorded])
  func aQuarterOfTheTruthIsTheMostThatIsMissing(_ run: Run) {
    let worst = largestError(run)
    #expect(worst.error <= 0.25, "\(worst)")
  }

  @Test func nothingIsToldWithoutAPart() {
    var estimate = RemainingTime(threadCount: 1)
    let moment = RemainingTime.Moment(seconds: 3, processorSeconds: 1)
    #expect(estimate.seconds(done: 0, at: moment) == nil)
    estimate.expect([RemainingTime.Part(.drawing, index: 0, work: 5)])
    #expect(estimate.seconds(done: 0, at: moment) == nil)
    estimate.begin(.drawing, index: 0, at: moment)
    #expect(estimate.seconds(done: 0.05, at: moment) == nil)
    let later = RemainingTime.Moment(seconds: 5, processorSeconds: 3)
    #expect(estimate.seconds(done: 0.5, at: later).map { ($0 * 1000).rounded() } == 2000)
  }

  /// What was not done is no part of the rest, and what is not known begins nothing.
  @Test func partsMayBeLeftOut() {
    var estimate = RemainingTime(threadCount: 1)
    func moment(_ seconds: Double) -> RemainingTime.Moment {
      RemainingTime.Moment(seconds: seconds, processorSeconds: seconds)
    }
    estimate.expect([
      RemainingTime.Part(.looking, index: 0, work: 1e9),
      RemainingTime.Part(.reading, index: 0, work: 10),
      RemainingTime.Part(.decoding, index: 0, work: 10),
    ])
    estimate.begin(.writing, index: 0, at: moment(0))
    estimate.begin(.reading, index: 0, at: moment(1))
    estimate.begin(.decoding, index: 0, at: moment(3))
    let left = estimate.seconds(done: 0, at: moment(3))
    #expect(left.map { $0 > 0.5 && $0 < 3 } == true, "\(left ?? 0)")
    estimate.end(at: moment(4))
    #expect(estimate.seconds(done: 0, at: moment(4)) == 0)
  }
}
