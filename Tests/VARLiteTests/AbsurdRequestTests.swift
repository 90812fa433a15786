import Testing
import VARLite
import VARTestSupport
import VARVision

/// Requests that nobody means are errors of the right kind, and the caller's closure is never kept.
@Suite struct AbsurdRequestTests {
  /// The category that planning or running ends with; what the closure captures is a local variable.
  private func category(_ body: ((Event) -> Void) throws -> Void) -> VARLiteError.Category? {
    var count = 0
    do {
      try body { _ in count += 1 }
      return nil
    } catch { return (error as? VARLiteError)?.category }
  }

  private func request(_ change: (inout Request) -> Void) -> Request {
    var request = Request("Who are you?", sampling: TextSampling(maximumTokens: 2))
    change(&request)
    return request
  }

  @Test func numbersThatMakeNoSenseAreRefused() throws {
    let model = try TinyModel.f32()
    let image = try TinyModel.picture("scene_0")
    func drawing(_ previews: DrawingRequest.Previews) -> DrawingRequest {
      var drawing = DrawingRequest()
      drawing.previews = previews
      return drawing
    }
    let refused: [(VARLiteError.Category, (inout Request) -> Void)] = [
      (.request, { $0.text.maximumTokens = -1 }), (.request, { $0.text.maximumTokens = .min }),
      (.request, { $0.maximumPicturePixels = -5 }), (.request, { $0.minimumPicturePixels = .max }),
      (.request, { $0.maximumPicturePixels = .min }),
      (.request, { $0.drawing = drawing(.count(1000)) }),
      (.request, { $0.drawing = drawing(.count(-1)) }),
      (.request, { $0.drawing = drawing(.count(.max)) }),
      (.request, { $0.drawing = DrawingRequest(size: .pixels(.max)) }),
      (.request, { $0.drawing = DrawingRequest(aspect: .ratio(width: 0, height: 1)) }),
      (.request, { $0.drawing = DrawingRequest(aspect: .ratio(width: .nan, height: 1)) }),
      (.picture, { $0.messages = [Message(.user, "A", pictures: [Picture(width: 0, height: 9)])] }),
      (
        .picture,
        { $0.messages = [Message(.user, "A", pictures: [Picture(width: 9, height: -9)])] }
      ),
      (
        .picture,
        { $0.messages = [Message(.user, "A", pictures: [Picture(width: .max, height: .max)])] }
      ),
      (
        .picture,
        { $0.messages = [Message(.user, "A", pictures: [Picture(width: 1 << 29, height: 1)])] }
      ),
      (.picture, { $0.messages = [Message(.user, "A", pictures: [Picture(path: "/no/such")])] }),
      (.picture, { $0.messages = [Message(.user, "A", pictures: [Picture(path: "/")])] }),
      (.picture, { $0.messages = [Message(.user, "A", pictures: [Picture(bytes: [])])] }),
      (.picture, { $0.messages = [Message(.user, "A", pictures: [Picture(bytes: [1, 2])])] }),
    ]
    for (index, (expected, change)) in refused.enumerated() {
      let request = request(change)
      #expect(category { _ in _ = try model.plan(request) } == expected, "plan \(index)")
      #expect(category { _ = try model.run(request, events: $0) } == expected, "run \(index)")
      let session = try ChatSession(model)
      #expect(category { _ = try session.run(request, events: $0) } == expected, "turn \(index)")
      #expect(category { _ in _ = try model.submit(request).wait() } == expected, "job \(index)")
    }
    // Extents alone are good for a plan.
    let sketched = request {
      $0.messages = [Message(.user, "A", pictures: [Picture(width: 1 << 30, height: 1 << 30)])]
    }
    #expect(category { _ in _ = try model.plan(sketched) } == nil)
    #expect(category { _ = try model.run(sketched, events: $0) } == .request)
    for count in [-1, Int.min, Int.max] {
      let pictured = request { $0.messages = [Message(.user, "A", pictures: [Picture(image)])] }
      let found = category { _ in _ = try model.plan(pictured, promptTokens: count) }
      #expect(found == .request, "\(count) tokens")
    }
    #expect(category { _ in _ = try model.plan(sketched, promptTokens: 1 << 30) } == .contextFull)
  }

  @Test func numbersAtTheEdgesAreServed() throws {
    let model = try TinyModel.f32()
    for tokens in [0, 1, Int.max] {
      let request = request { $0.text.maximumTokens = tokens }
      let response = try model.run(request)
      #expect(response.tokens.count <= tokens && (tokens > 1 || response.isCut))
      let session = try ChatSession(model, contextTokens: .max)
      #expect(try session.run(request).text == response.text)
      var drawn = request
      drawn.drawing = DrawingRequest(cfgScale: 1, isGreedy: true)
      #expect(try model.run(drawn).picture != nil)
    }
  }

  /// Each stop at another place: while it looks, reads, writes, draws, and shows previews.
  @Test func aClosureIsNeverKept() throws {
    let model = try TinyModel.f32()
    let picture = Picture(try TinyModel.picture("scene_0"))
    var request = Request(
      "Please paint a red circle.", pictures: [picture],
      drawing: DrawingRequest(cfgScale: 1, seed: 1))
    request.drawing?.previews = .everyScale
    var stages: Set<Progress.Stage> = []
    for layers in [0, 1, 2, 4, 6, 9, 13, 18, 25, 33, 45, 60, 80, 110, 150, 200, 300] {
      var last: Progress.Stage?
      var count = 0
      let error = #expect(throws: VARLiteError.self) {
        _ = try model.run(request, stop: Countdown(layers).stop) { event in
          count += 1
          last = event.progress?.stage ?? last
        }
        // A request that was not stopped any more is as good.
        throw VARLiteError(.cancelled, "it has ended")
      }
      #expect(error?.category == .cancelled && count > 0)
      if let last { stages.insert(last) }
    }
    #expect(stages.isSuperset(of: [.looking, .reading, .drawing]))
    // Refused for want of memory, before anything runs.
    let small = try Model(
      path: TinyModel.path(recipe: "f32"), options: .init(memoryBudgetBytes: 1 << 20))
    #expect(category { _ = try small.run(request, events: $0) } == .memory)
    #expect(
      category {
        _ = try small.reconstruct(TinyModel.picture("scene_0"), events: $0)
      } == .memory)
    #expect(model.runtime.snapshot.claimedBytes == 0 && small.runtime.snapshot.claimedBytes == 0)
  }
}
