import ArgumentParser
import VARJSON
import VARLite
import VQ4Format

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Shows what a model file holds.")

  @OptionGroup var file: ModelFileArgument

  @Flag(help: "Every tensor.")
  var tensors = false

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func run() throws {
    let model = try Runtime().open(file.path())
    let summary = ModelSummary(model)
    if json {
      Console.output(summary.json(withTensors: tensors))
    } else {
      Console.output(summary.text(withTensors: tensors))
    }
  }
}
