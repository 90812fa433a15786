import ArgumentParser

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Draws a picture from a text.",
    discussion: "Example: varlite generate \"Draw a big red circle.\" -o circle.png")

  @Argument(help: "What to draw; - reads standard input.")
  var prompt: String?

  @OptionGroup var promptOption: PromptOption
  @OptionGroup(title: "Picture") var image: ImageOptions
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    _ = try promptOption.text(prompt, "prompt")
    if image.shape.aspect == "source" { throw ValidationError("--aspect source is for edit") }
  }

  func run() throws {
    let text = try promptOption.text(prompt, "prompt")
    try DrawingRun(model: model, input: input, image: image, text: text, sources: []).run()
  }
}
