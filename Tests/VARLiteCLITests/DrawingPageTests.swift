import Testing
import VARTestSupport
import VARVision

/// What the page about stopping, resuming, varying and lists shows.
@Suite struct DrawingPageTests {
  private static let folder = Fixtures.path("../../Sources/VARLite/VARLite.docc")

  /// The lines of the code blocks, comments left out: commands, then a list of prompts.
  private func blocks() throws -> [[String]] {
    let page = String(decoding: try Fixtures.readFile("\(Self.folder)/Drawing.md"), as: UTF8.self)
    return page.split(separator: "```").enumerated().filter { $0.offset % 2 == 1 }.map {
      $0.element.split(separator: "\n").filter { $0 != "sh" }
        .map { String($0.split(separator: " #")[0]) }
    }
  }

  /// In an empty folder, in their order.
  @Test func theCommandsDoWhatThePageShows() throws {
    let folder = TemporaryDirectory()
    let blocks = try blocks()
    try #require(blocks.count == 2)
    folder.write("prompts.txt", blocks[1].joined(separator: "\n"))
    let programs = try ProgramRunner.built("varlite").path.dropLast("/varlite".count)
    var shell = ProgramRunner(path: "/bin/sh")
    shell.environment = ["PATH=\(programs):/usr/bin:/bin"]
    for command in blocks[0] {
      expectDone(try shell.run(["-ec", "cd \"$0\"; \(command)", folder.path]))
    }
    let others = (1...4).map { "other-\($0).png" }
    #expect(
      folder.names()
        == ([
          "again.png", "drawn-0.png", "drawn-1.png", "now.png", "other.png", "prompts.txt",
          "star.png", "star.state",
        ] + others).sorted())
    let star = try Fixtures.readFile(folder.file("star.png"))
    #expect(try Fixtures.readFile(folder.file("again.png")) == star)
    // The page's picture has them side by side.
    let shown = try ImageDecoder.decode(path: "\(Self.folder)/Resources/variations.png")
    for (index, name) in (["star.png"] + others).enumerated() {
      let image = try ImageDecoder.decode(path: folder.file(name))
      for row in 0..<image.height {
        let start = (row * shown.width + index * (image.width + 8)) * 3
        let count = image.width * 3
        #expect(
          shown.pixels[start..<start + count].elementsEqual(
            image.pixels[row * count..<(row + 1) * count]), "\(name), row \(row)")
      }
    }
  }
}
