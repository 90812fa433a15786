import Testing
import VARTestSupport
import VARVision

/// The model that is used when none is named.
@Suite struct DemoModelTests {
  private static let notice = "varlite: this is the demo model"

  /// One line on standard error, whatever the command, unless somebody has named a model or wants quiet.
  @Test(arguments: [
    ["generate", "Draw a red circle.", "-o", "-"], ["understand", "What is it?", "-n", "1"],
    ["tokenize", "red"], ["info"], ["verify"], ["plan"], ["chat"],
  ])
  func itsUseIsSaid(arguments: [String]) throws {
    var runner = try ProgramRunner.built("varlite")
    let told = try runner.run(arguments)
    expectDone(told)
    #expect(told.errorLines.count { $0.hasPrefix(Self.notice) } == 1, "\(told.errorText)")
    #expect(told.errorText.contains("shapes") && told.errorText.contains("--model"))
    #expect(!told.text.contains(Self.notice))
    let quiet = try runner.run(arguments + ["--quiet"])
    expectDone(quiet)
    #expect(!quiet.errorText.contains(Self.notice))
    let isStable = !["plan", "verify"].contains(arguments[0])
    #expect(!isStable || quiet.output == told.output)
    let model = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
    let named = try runner.run(arguments + ["-m", model])
    expectDone(named)
    #expect(!named.errorText.contains(Self.notice))
    runner.environment.append("VARLITE_MODEL=\(model)")
    #expect(try !runner.run(arguments).errorText.contains(Self.notice))
  }

  @Test func theHelpTellsItsWorldAndItsSentences() throws {
    let help = try ProgramRunner.built("varlite").run(["--help"]).text
    for part in [
      "96x96", "triangle", "bottom right", "purple", "beige", "Draw a small blue star on the left",
      "Turn the red circle blue.", "What color is the star?",
    ] {
      #expect(help.contains(part), "\(part)")
    }
  }

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
