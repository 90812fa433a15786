import Testing
import VARLite
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How long it is to be tried.
private enum Endurance {
  static let seconds =
    getenv("VARLITE_ENDURANCE_SECONDS").flatMap { Double(String(cString: $0)) } ?? 0
}

/// Eight threads with requests and cancellations for as long as the environment says: each answer has the bytes that it
/// has alone, and memory does not grow. `Tests/faults/endurance` runs this for minutes; the gate leaves it out.
@Suite(.serialized, .enabled(if: Endurance.seconds > 0, "VARLITE_ENDURANCE_SECONDS is not set"))
struct EnduranceTests {
  /// Requests and what comes of each alone.
  private struct Work: Sendable {
    let requests: [Request]
    let expected: [Outcome]

    struct Outcome: Equatable, Sendable {
      let tokens: [Int32]
      let pixels: [UInt8]?

      init(_ response: Response) {
        (tokens, pixels) = (response.tokens, response.picture?.pixels)
      }
    }

    init(_ model: Model) throws {
      let scene = Picture(try TinyModel.picture("scene_0"))
      var requests: [Request] = []
      for seed in 1...3 as ClosedRange<UInt64> {
        var drawing = DrawingRequest(cfgScale: seed == 1 ? 1 : 3, tau: 0.5, seed: seed)
        drawing.start = .atOnce
        requests.append(Request("A circle.", drawing: drawing))
        requests.append(
          Request("Make it blue.", pictures: [scene], drawing: drawing))
        requests.append(
          Request(
            "What is it?", pictures: seed == 3 ? [] : [scene],
            sampling: TextSampling(temperature: 0.8, seed: seed, maximumTokens: 8)))
      }
      self.requests = requests
      expected = try requests.map { Outcome(try model.run($0)) }
    }
  }

  /// Runs requests until the time is over, some of them stopped. Returns how many ended, and those that were wrong.
  private static func run(
    _ model: Model, _ work: Work, seed: UInt64, until end: Double
  ) -> (count: Int, faults: [String]) {
    var random = SplitMix64(seed: seed)
    var (count, faults) = (0, [String]())
    while MonotonicClock.seconds() < end {
      let index = Int(random.next() % UInt64(work.requests.count))
      let isStopped = random.next() % 3 == 0
      let stop = isStopped ? Countdown(Int(random.next() % 40)).stop : StopSignal()
      count += 1
      do throws(VARLiteError) {
        let outcome = Work.Outcome(try model.run(work.requests[index], stop: stop))
        if outcome != work.expected[index] { faults.append("request \(index) has other bytes") }
      } catch {
        if !isStopped || error.category != .cancelled { faults.append("\(index): \(error)") }
      }
    }
    return (count, faults)
  }

  @Test(arguments: [Residency.map, .load, .stream])
  func answersStayTheSameAndMemoryFlat(residency: Residency) throws {
    let path = try TinyModel.path(recipe: "balanced")
    let work = try Work(Model(path: path))
    let model = try Model(path: path, options: RunOptions(threadCount: 2, residency: residency))
    let outcomes = Notebook<(count: Int, faults: [String])>()
    let end = MonotonicClock.seconds() + Endurance.seconds
    let threads = (0..<8).map { thread in
      JoinableThread(stackBytes: 2 << 20) {
        outcomes.write(Self.run(model, work, seed: UInt64(thread), until: end))
      }
    }
    // A fifth of the time fills what is kept. What eight requests have at a moment differs from one to the next, so
    // the middle of many moments is compared.
    var memory: [Int] = []
    let part = Endurance.seconds / 100
    while MonotonicClock.seconds() + part < end {
      usleep(UInt32(part * 1e6))
      memory.append(ProcessMemory.current()?.byteCount ?? 0)
    }
    for thread in threads { try #require(thread).join() }
    let faults = outcomes.notes.flatMap(\.faults)
    #expect(faults.isEmpty, "\(faults.prefix(5))")
    let count = outcomes.notes.reduce(0) { $0 + $1.count }
    func middle(_ moments: ArraySlice<Int>) -> Int { moments.sorted()[moments.count / 2] }
    let (early, late) = (middle(memory[20..<45]), middle(memory.suffix(25)))
    print(
      "\(residency.rawValue): \(count) requests, resident \(early >> 10), then \(late >> 10) KiB")
    #expect(late <= early + early / 20 + (2 << 20))
    #expect(model.runtime.snapshot.claimedBytes == 0)
  }
}
