import Testing
import VARLite
import VARTestSupport
import VARVision

/// The README's example for apps, with the reference checkpoint and prompts that it draws for.
@Suite struct ExampleTests {
  @Test func theExampleRuns() async throws {
    let folder = TemporaryDirectory()
    let (table, circle) = ("\(folder.path)/table.png", "\(folder.path)/circle.png")
    try PNGEncoder.write(TinyModel.picture("scene_0"), to: table)
    var answer = ""
    func print(_ text: String, terminator: String) { answer += text + terminator }

    let model = try VARGPT(path: TinyModel.path(recipe: "f32"))
    let photo = try ImageDecoder.decode(path: table)
    for try await text in model.understand("What is on the table?", images: [photo]) {
      print(text, terminator: "")
    }
    let image = try await model.generate(
      "Please paint a red circle.", options: DrawingOptions(seed: 7))
    let edited = try await model.edit(image, instruction: "Make it blue.")
    try PNGEncoder.write(edited, to: circle)

    #expect(!answer.isEmpty)
    #expect(try ImageDecoder.decode(path: circle) == edited)
    #expect(edited.width == image.width && edited != image)
  }

  @Test func requestsAtOnceDoNotMeet() async throws {
    let model = try VARGPT(path: TinyModel.path(recipe: "f32"), options: .init(threadCount: 2))
    let prompt = "Please paint a red circle."
    async let first = model.generate(prompt, options: DrawingOptions(seed: 3))
    async let second = model.generate(prompt, options: DrawingOptions(seed: 4))
    let (left, right) = try await (first, second)
    #expect(try await model.generate(prompt, options: DrawingOptions(seed: 3)) == left)
    #expect(try await model.generate(prompt, options: DrawingOptions(seed: 4)) == right)
  }

  @Test func cancelledTasksStop() async throws {
    let model = try VARGPT(path: TinyModel.path(recipe: "f32"))
    let task = Task { try await model.generate("Please paint a red circle.") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }

    // Who stops listening stops the work; nothing is left that waits.
    let endless = TextSampling(maximumTokens: 100_000, ignoresEndOfSequence: true)
    for try await _ in model.understand("Who are you?", sampling: endless) { break }
    let reader = Task {
      for try await _ in model.understand("Who are you?", sampling: endless) {}
    }
    reader.cancel()
    _ = await reader.result
  }
}
