import Testing
import VARLite
import VARSystem
import VARTestSupport

/// Requests on threads of their own, and those who watch them.
@Suite struct JobTests {
  private static let words = "I am a very small test model, and I can paint."
  private static let question = Request("Who are you?", sampling: TextSampling(maximumTokens: 24))

  private static func drawing(_ seed: UInt64 = 1) -> Request {
    var request = Request("Please paint a red circle.", drawing: DrawingRequest(seed: seed))
    request.drawing?.start = .atOnce
    return request
  }

  private func text(_ job: Job) async -> String {
    var text = ""
    for await event in job.events { text += event.text ?? "" }
    return text
  }

  @Test func subscribersSeeTheWholeText() async throws {
    let model = try TinyModel.f32()
    let job = try model.submit(Self.question)
    async let first = text(job)
    async let second = text(job)
    let seen = await [first, second]
    #expect(seen == [Self.words, Self.words])
    #expect(try await job.response().text == Self.words)
    // Who comes when all is over sees it too, in short.
    #expect(await text(job) == Self.words)
    let last = job.snapshot
    #expect(last.state == .finished && last.text == Self.words && last.progress?.fraction == 1)
    #expect(last.queuePlace == nil)
  }

  /// A reader that sleeps between two events gets few of them, and all of the text.
  @Test func slowReadersGetTheTextInShort() async throws {
    let model = try TinyModel.f32()
    var request = Self.question
    request.text.maximumTokens = 200
    request.text.ignoresEndOfSequence = true
    let job = try model.submit(request)
    var (text, events) = ("", 0)
    for await event in job.events {
      text += event.text ?? ""
      events += 1
      try await Task.sleep(nanoseconds: 3_000_000)
    }
    let response = try await job.response()
    #expect(text == response.text && response.tokens.count == 200)
    var all = 0
    _ = try model.run(request) { _ in all += 1 }
    #expect(events < all)
  }

  @Test func whoLeavesDoesNotStopTheJob() async throws {
    let model = try TinyModel.f32()
    let job = try model.submit(Self.drawing())
    for await event in job.events where event.plan != nil { break }
    let reader = Task { for await _ in job.events {} }
    reader.cancel()
    await reader.value
    let waiter = Task { try await job.response() }
    waiter.cancel()
    _ = await waiter.result
    #expect(try await job.response().end == .drawn)
  }

  @Test func stoppingAtOnceEndsWithAnError() async throws {
    let model = try TinyModel.f32()
    let job = try model.submit(Self.drawing())
    for await event in job.events where event.progress != nil { break }
    job.stop()
    // The drawing may have been over by then.
    do {
      #expect(try await job.response().end == .drawn)
    } catch {
      #expect((error as? VARLiteError)?.category == .cancelled)
      #expect(job.snapshot.state == .failed)
    }
    let stopped = StopSignal()
    stopped.stop()
    let error = try #require(throws: VARLiteError.self) {
      try model.run(Self.drawing(), stop: stopped)
    }
    #expect(error.category == .cancelled)
  }

  /// Behind the first scale, whenever before it was asked for.
  @Test func stoppingAfterAScaleGivesAPicture() throws {
    let model = try TinyModel.f32()
    let job = try model.submit(Self.drawing())
    job.stop(.afterScale)
    do {
      let response = try job.wait()
      #expect(response.picture != nil)
      if response.end == .stopped {
        let state = try #require(response.drawing)
        #expect(try !state.isComplete && response.picture == model.picture(of: state))
      }
    } catch {
      // It had not even been admitted.
      #expect((error as? VARLiteError)?.category == .cancelled)
    }
    let stop = StopSignal()
    let partial = try model.run(Self.drawing(), stop: stop) { event in
      if event.scale?.index == 1 { stop.stop(.afterScale) }
    }
    #expect(partial.end == .stopped && partial.drawing?.bits.count == 2)
    // A text ends after the present token, with what there is.
    let answer = try model.run(Self.question, stop: stop)
    #expect(answer.end == .stopped && answer.tokens.count == 1)
    #expect(Self.words.hasPrefix(answer.text))
  }

  @Test func manyReadersComeAndGo() async throws {
    let model = try TinyModel.f32()
    let job = try model.submit(Self.question)
    await withTaskGroup(of: Bool.self) { group in
      for index in 0..<40 {
        group.addTask {
          var text = ""
          for await event in job.events {
            text += event.text ?? ""
            if index % 3 == 0, !text.isEmpty { return Self.words.hasPrefix(text) }
          }
          return text == Self.words
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func theShortWaysEndWithTheirTasks() async throws {
    let model = try TinyModel.f32()
    var text = ""
    let sampling = TextSampling(maximumTokens: 24)
    for try await words in model.understand("Who are you?", sampling: sampling) { text += words }
    #expect(text == Self.words)
    let drawing = Task { try await model.generate("A", drawing: DrawingRequest(seed: 1)) }
    drawing.cancel()
    await #expect(throws: (any Error).self) { try await drawing.value }
    model.runtime.close()
    await #expect(throws: VARLiteError.self) { try await model.generate("A") }
  }
}
