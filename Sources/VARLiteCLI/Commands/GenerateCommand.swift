import ArgumentParser

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Draws a picture from a text.",
    discussion: "Example: varlite generate \"Draw a big red circle.\" -o circle.png")

  @Argument(help: "What to draw; - reads standard input.")
  var prompt: String?

  @OptionGroup var promptOption: PromptOption
  @OptionGroup(title: "Picture") var image: ImageOptions
  @OptionGroup(title: "Watching") var preview: PreviewOptions
  @OptionGroup(title: "Stopping, resuming, varying") var saving: SavingOptions
  @OptionGroup(title: "Lists") var list: ListOptions
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    try drawingRun().check("prompt")
    if image.shape.aspect == "source" { throw ValidationError("--aspect source is for edit") }
  }

  func run() throws {
    try drawingRun().run()
  }

  private func drawingRun() throws -> DrawingRun {
    DrawingRun(
      model: model, input: input, image: image, saving: saving, list: list,
      preview: preview,
      text: try promptOption.optionalText(prompt, "prompt"), sources: [])
  }
}
