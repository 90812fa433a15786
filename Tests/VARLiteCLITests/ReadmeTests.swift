import Testing
import VARTestSupport
import VARVision

/// What README.md shows a newcomer: commands, sentences, pictures.
@Suite struct ReadmeTests {
  private static let text = Result {
    String(decoding: try Fixtures.readFile(Fixtures.path("../../README.md")), as: UTF8.self)
  }

  private func page() throws -> [String] {
    try Self.text.get().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// A picture of the page.
  private func picture(_ name: String) throws -> RGBImage {
    let folder = Fixtures.path("../../Sources/VARLite/VARLite.docc/Resources")
    return try ImageDecoder.decode(path: "\(folder)/\(name).png")
  }

  /// The commands of the section "Try it" that run `varlite`, comments left out.
  private func commands() throws -> [String] {
    let section = try page().drop { $0 != "## Try it" }.dropFirst().prefix { !$0.hasPrefix("## ") }
    var isCode = false
    return section.filter { line in
      if line.hasPrefix("```") { isCode.toggle() }
      return isCode && (line.hasPrefix("varlite ") || line.hasPrefix(".build/release/varlite "))
    }
    .map { String($0.prefix { $0 != "#" }) }
  }

  /// In an empty folder, in their order, with the seeds that they have.
  @Test func theCommandsDoWhatThePageShows() throws {
    let folder = TemporaryDirectory()
    let programs = try ProgramRunner.built("varlite").path.dropLast("/varlite".count)
    var shell = ProgramRunner(path: "/bin/sh")
    shell.environment = ["PATH=\(programs):/usr/bin:/bin"]
    var texts: [String] = []
    for command in try commands() {
      let line = command.replacing(".build/release/varlite", with: "varlite")
      let result = try shell.run(["-ec", "cd \"$0\"; \(line)", folder.path])
      expectDone(result)
      texts.append(result.text)
    }
    #expect(texts.count == 7)
    #expect(texts.contains("Red.\n"), "\(texts)")
    #expect(folder.names() == ["again.png", "blue.png", "circle.png"])
    let circle = try ImageDecoder.decode(path: folder.file("circle.png"))
    #expect(try circle == picture("edit-before"))
    #expect(try ImageDecoder.decode(path: folder.file("blue.png")) == picture("edit-after"))
    let again = try ImageDecoder.decode(path: folder.file("again.png"))
    #expect(again.width == circle.width && again.height == circle.height && again != circle)
  }

  /// The first table: what was said stands below the pictures.
  @Test func thePicturesAreWhatTheModelDraws() throws {
    let folder = TemporaryDirectory()
    let runner = try ProgramRunner.built("varlite")
    let row = try #require(try page().first { $0.hasPrefix("| \"Draw") })
    let sentences = row.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    try #require(sentences.count == 3, "\(row)")
    let answer = try #require(row.split(separator: "*").dropFirst().first)

    let output = folder.file("drawn.png")
    expectDone(try runner.run(["generate", sentences[0], "-o", output]))
    #expect(try ImageDecoder.decode(path: output) == picture("drawn"))
    let asked = Fixtures.path("../../Sources/VARLite/VARLite.docc/Resources/asked.png")
    #expect(try runner.run(["understand", sentences[1], "-i", asked]).text == "\(answer)\n")
    #expect(try commands().contains { $0.contains("edit \"\(sentences[2])\"") })
  }
}
