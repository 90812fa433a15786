import Testing
import VARTestSupport
import VARVision

/// The model that is used when none is named.
@Suite struct DemoModelTests {
  @Test func drawsFromAnyDirectory() throws {
    let directory = TemporaryDirectory()
    let runner = try ProgramRunner.built("varlite")
    let output = directory.file("circle.png")
    let result = try runner.run(["generate", "Draw a big red circle.", "-o", output])
    expectDone(result)
    let picture = try ImageDecoder.decode(path: output)
    #expect(picture.width == 96 && picture.height == 96)
    let answer = try runner.run(["understand", "What color is the circle?", "--image", output])
    #expect(answer.text == "Red.\n")
  }
}
