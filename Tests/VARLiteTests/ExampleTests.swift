import Testing
import VARLite
import VARTestSupport
import VARVision

/// The README's example for apps; `.ci/example` builds it as it is printed.
@Suite struct ExampleTests {
  @Test func theExampleDrawsAndDescribes() async throws {
    let folder = TemporaryDirectory()
    let demo = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
    let circle = folder.file("circle.png")
    var answer = ""
    func print(_ text: String = "", terminator: String = "\n") { answer += text + terminator }

    let firstLine = #line + 1
    let runtime = try Runtime()
    let model = try runtime.open(demo)
    let image = try await model.generate("Draw a big red circle.", drawing: DrawingRequest(seed: 7))
    let edited = try await model.edit(Picture(image), instruction: "Turn the red circle blue.")
    try edited.writePNG(to: circle)
    for try await text in model.understand("Describe the image.", pictures: [Picture(edited)]) {
      print(text, terminator: "")
    }
    print()
    let lastLine = #line - 1

    #expect(answer == "There is a big blue circle in the center on a white background.\n")
    #expect(try ImageDecoder.decode(path: circle) == edited)
    #expect(edited.width == image.width && edited != image)
    try expectReadmeHolds(lines: firstLine...lastLine)
  }

  /// Lines of this file stand in the README one after the other; only places of files may differ.
  private func expectReadmeHolds(lines numbers: ClosedRange<Int>) throws {
    func lines(_ path: String) throws -> [Substring] {
      String(decoding: try Fixtures.readFile(path), as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false)
    }
    func withoutPlaces(_ line: Substring) -> String {
      String(line).replacing(/(open\(|to: )[^)]*/) { "\($0.1)" }
    }
    let ours = try lines(#filePath)[(numbers.lowerBound - 1)..<numbers.upperBound]
      .map { withoutPlaces($0.dropFirst(4)) }
    let page = try lines(Fixtures.path("../../README.md")).map(withoutPlaces)
    #expect(page.indices.contains { page[$0...].starts(with: ours) }, "\(ours)")
  }

  @Test func requestsAtOnceDoNotMeet() async throws {
    let model = try Model(path: TinyModel.path(recipe: "f32"), options: .init(threadCount: 2))
    let prompt = "Please paint a red circle."
    async let first = model.generate(prompt, drawing: DrawingRequest(seed: 3))
    async let second = model.generate(prompt, drawing: DrawingRequest(seed: 4))
    let (left, right) = try await (first, second)
    #expect(try await model.generate(prompt, drawing: DrawingRequest(seed: 3)) == left)
    #expect(try await model.generate(prompt, drawing: DrawingRequest(seed: 4)) == right)
  }

  @Test(.timeLimit(.minutes(3))) func cancelledTasksStop() async throws {
    let model = try Model(path: TinyModel.path(recipe: "f32"))
    let task = Task { try await model.generate("Please paint a red circle.") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }

    // Who stops listening stops the work: with streamed weights the next request would wait for it.
    let streaming = try Model(
      path: TinyModel.path(recipe: "f32"), options: .init(residency: .stream))
    let endless = TextSampling.endless(maximumTokens: 100_000)
    for try await _ in streaming.understand("Who are you?", sampling: endless) { break }
    let reader = Task {
      for try await _ in streaming.understand("Who are you?", sampling: endless) {}
    }
    reader.cancel()
    _ = await reader.result
    var answer = ""
    let short = TextSampling(maximumTokens: 4)
    for try await text in streaming.understand("Who are you?", sampling: short) { answer += text }
    #expect(!answer.isEmpty)
  }
}
