import ArgumentParser
import VARJSON
import VARLite
import VQ4Format

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Shows what a model file holds, or how a picture was drawn.",
    discussion: """
      A picture is a PNG that varlite drew, or a drawing that --checkpoint stored. Example: varlite \
      info circle.png
      """)

  @OptionGroup var file: ModelFileArgument

  @Flag(help: "Every tensor.")
  var tensors = false

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func run() throws {
    let path = try file.path()
    if let facts = try DrawingFacts.read(path) {
      return json ? Console.output(facts.json) : Console.output(facts.text)
    }
    let model = try Runtime().open(path)
    let summary = ModelSummary(model)
    if json {
      Console.output(summary.json(withTensors: tensors))
    } else {
      Console.output(summary.text(withTensors: tensors))
    }
  }
}
