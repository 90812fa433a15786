import Testing
import VARLite
import VARTestSupport

/// The programs of "Embed VARLite in an app" run, and do what they say.
@Suite struct EmbeddingTests {
  private static let model = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")

  /// The picture that an undisturbed request draws.
  private func undisturbed() throws -> Response {
    let runtime = try Runtime()
    defer { runtime.close() }
    return try runtime.open(Self.model)
      .run(Request("Draw a big red circle.", drawing: DrawingRequest(seed: 7)))
  }

  @Test func asking() throws {
    let folder = TemporaryDirectory()
    try undisturbed().writePNG(to: folder.file("circle.png"))
    #expect(try ask(model: Self.model, picture: folder.file("circle.png")) == "Red.")
  }

  @Test func drawing() throws {
    let folder = TemporaryDirectory()
    let whole = try undisturbed()
    let count = try #require(whole.drawing).bits.count
    let drawn = try #require(try draw(model: Self.model, into: folder.path, stop: StopSignal()))
    #expect(drawn.picture == whole.picture && drawn.end == .drawn)
    let previews = try (1..<count).map { try Fixtures.readFile(folder.file("preview-\($0).png")) }
    #expect(Set(previews).count == count - 1)

    let stop = StopSignal()
    stop.stop(.afterScale)
    let first = try #require(try draw(model: Self.model, into: folder.path, stop: stop))
    #expect(first.end == .stopped && first.drawing?.bits.count == 1)
    stop.stop(.now)
    #expect(try draw(model: Self.model, into: folder.path, stop: stop) == nil)
  }

  @Test func resuming() throws {
    let folder = TemporaryDirectory()
    try resume(model: Self.model, into: folder.path)
    let whole = try undisturbed()
    try whole.writePNG(to: folder.file("expected.png"))
    let files = try ["expected", "whole", "variation", "half"]
      .map { try Fixtures.readFile(folder.file("\($0).png")) }
    #expect(files[0] == files[1])
    #expect(Set(files).count == 3)
  }

  @Test func planning() throws {
    let folder = TemporaryDirectory()
    // Other tests of this process have their memory.
    let budget = (ProcessMemory.current()?.byteCount ?? 0) + (200 << 20)
    let applied = try planAndDraw(
      model: Self.model, budgetBytes: budget, into: folder.file("planned.png"))
    #expect(applied.map(\.kind).contains(.smallerDrawing))
    #expect(try Fixtures.readFile(folder.file("planned.png")).count > 1000)
  }

  /// The article prints the programs as they are.
  @Test func theArticleHoldsThePrograms() throws {
    let article = String(
      decoding: try Fixtures.readFile(
        Fixtures.path("../../Sources/VARLite/VARLite.docc/Embedding.md")), as: UTF8.self)
    for name in ["Ask", "Draw", "Resume", "Plan", "Share"] {
      let path = Fixtures.path("../EmbeddingTests/Sources/Programs/\(name).swift")
      let program = String(decoding: try Fixtures.readFile(path), as: UTF8.self)
      #expect(article.contains("```swift\n\(program)```"), "\(name).swift")
    }
  }

  @Test func sharing() async throws {
    let folder = TemporaryDirectory()
    try undisturbed().writePNG(to: folder.file("circle.png"))
    let seen = try await share(
      models: [Self.model, Self.model], picture: folder.file("circle.png"), budgetBytes: 1 << 30)
    #expect(seen == [4, 4])
  }
}
