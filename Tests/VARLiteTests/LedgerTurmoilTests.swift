import Testing
import VARLite
import VARSystem
import VARTestSupport

/// Many threads with requests of all kinds under one budget.
@Suite struct LedgerTurmoilTests {
  private static func drawing(_ seed: UInt64) -> Request {
    var request = Request("A circle.", drawing: DrawingRequest(cfgScale: 1, seed: seed))
    request.drawing?.start = .atOnce
    return request
  }

  private static let question = Request("Who are you?", sampling: TextSampling(maximumTokens: 3))

  /// One of a thread's requests: answered with the right bytes, or ended for a reason that may be.
  private static func step(
    _ model: Model, _ random: inout SplitMix64, _ expected: (pixels: [UInt8], text: String)
  ) -> Bool {
    let kind = random.next() % 6
    let stop = kind == 1 ? Countdown(Int(random.next() % 30)).stop : StopSignal()
    do {
      switch kind {
      case 0, 1:
        return try model.run(drawing(1), stop: stop).picture?.pixels == expected.pixels
      case 2:
        let session = try ChatSession(model, contextTokens: 128)
        _ = try session.run(question)
        return try session.run(question).tokens.count <= 3
      case 3:
        var hurried = drawing(1)
        hurried.whenBusy = .isRefused
        return try model.run(hurried).picture?.pixels == expected.pixels
      case 4:
        let job = try model.submit(drawing(1))
        if random.next() % 2 == 0 { job.stop() }
        return try job.wait().picture?.pixels == expected.pixels
      default: return try model.run(question).text == expected.text
      }
    } catch {
      let category = error.category
      switch kind {
      case 1, 4: return category == .cancelled
      // Sessions may hold what it takes.
      case 3: return category == .busy || category == .memory
      default: return category == .memory
      }
    }
  }

  @Test(arguments: [Residency.automatic, .load, .stream])
  func everyRequestEndsAndNothingStaysClaimed(residency: Residency) throws {
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    let alone = try Model(path: path)
    let pixels = try alone.run(Self.drawing(1)).image.pixels
    let text = try alone.run(Self.question).text
    let shared = try SharedBudget(
      [path, path], residency: residency, share: 2.4, of: Self.drawing(1))
    let isRight = Notebook<Bool>()
    let threads = (0..<4).map { thread in
      JoinableThread(stackBytes: 2 << 20) {
        var random = SplitMix64(seed: UInt64(thread))
        for _ in 0..<6 {
          let model = shared.models[Int(random.next() % 2)]
          isRight.write(Self.step(model, &random, (pixels, text)))
        }
      }
    }
    for thread in threads { thread?.join() }
    #expect(isRight.notes.count == 24 && isRight.notes.allSatisfy { $0 })
    let end = shared.runtime.snapshot
    #expect(end.claimedBytes == 0 && end.runningCount == 0 && end.queuedCount == 0)
    #expect(end.peakClaimedBytes <= end.budgetBytes ?? 0)
  }
}
