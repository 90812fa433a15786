import Testing
import VARLite
import VARTestSupport

/// What a request tells while it runs.
@Suite struct ProgressTests {
  private func check(_ events: [Event], planCount: Int = 1) {
    #expect(events.first?.plan != nil)
    #expect(events.count { $0.plan != nil } == planCount)
    let progress = events.compactMap(\.progress)
    let fractions = progress.map(\.fraction)
    #expect(zip(fractions, fractions.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(fractions.allSatisfy { (0...1).contains($0) })
    #expect(fractions.last.map { $0 > 0.999 } == true)
    let seconds = progress.map(\.seconds)
    #expect(zip(seconds, seconds.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(progress.allSatisfy { $0.done <= $0.total && $0.layer <= $0.layerCount })
  }

  @Test(arguments: [Residency.map, .load, .stream])
  func theShareOfTheWorkNeverFalls(residency: Residency) throws {
    let model = try Model(
      path: TinyModel.path(recipe: "balanced", layout: .compact),
      options: .init(threadCount: 2, residency: residency))
    let picture = Picture(try TinyModel.picture("scene_0"))
    var isFirst = true
    for start in [DrawingRequest.Start.afterText, .atOnce, .whereTheModelStarts] {
      for previews in [DrawingRequest.Previews.none, .count(2)] {
        var request = Request(
          "Please paint a red circle.", pictures: [picture], drawing: DrawingRequest(seed: 1))
        request.drawing?.start = start
        request.drawing?.previews = previews
        var events: [Event] = []
        let drawn = try model.run(request) { events.append($0) }
        check(events)
        let stages = events.compactMap { $0.progress?.stage }
        // What the model keeps of the first request holds the picture.
        #expect(stages.contains(.looking) == (isFirst || residency == .stream))
        #expect(stages.contains(.reading))
        isFirst = false
        #expect(!stages.contains(.loading) || residency == .load)
        #expect(stages.contains(.drawing) == (drawn.picture != nil))
        let timed = drawn.timings.map(\.stage)
        #expect(Set(timed).isSubset(of: Set(stages)) && Set(timed).count == timed.count)
      }
    }
  }

  /// A text counts with its longest length until it ends.
  @Test func aTextAdvancesTokenByToken() throws {
    var request = Request("Who are you?", sampling: TextSampling(maximumTokens: 100))
    var events: [Event] = []
    let response = try TinyModel.f32().run(request) { events.append($0) }
    check(events)
    let writing = events.compactMap(\.progress).filter { $0.stage == .writing }
    #expect(Set(writing.map(\.done)) == Set(0..<response.tokens.count))
    request.text.maximumTokens = 0
    events = []
    _ = try TinyModel.f32().run(request) { events.append($0) }
    check(events)
  }

  /// The answer of a session's turn turns out to be a picture: there is a second plan, and the share goes on.
  @Test func aTurnThatBecomesAPictureGoesOn() throws {
    let session = try ChatSession(TinyModel.f32())
    var request = Request("Please paint a red circle.", drawing: DrawingRequest(isGreedy: true))
    request.drawing?.start = .whereTheModelStarts
    var events: [Event] = []
    let drawn = try session.run(request) { events.append($0) }
    try #require(drawn.picture != nil)
    check(events, planCount: 2)
  }

  @Test func theCodecTellsToo() throws {
    var events: [Event] = []
    _ = try TinyModel.f32().reconstruct(TinyModel.picture("scene_0")) { events.append($0) }
    check(events)
  }
}
