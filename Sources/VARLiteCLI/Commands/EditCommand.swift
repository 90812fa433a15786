import ArgumentParser

struct EditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit", abstract: "Draws a changed version of a picture.",
    discussion: "Example: varlite edit \"Turn the circle blue.\" --image circle.png -o blue.png")

  @Argument(help: "What to change; - reads standard input.")
  var instruction: String?

  @OptionGroup var promptOption: PromptOption
  @OptionGroup(title: "Pictures to change") var pictures: PictureOptions
  @OptionGroup(title: "Picture") var image: ImageOptions
  @OptionGroup(title: "Watching") var preview: PreviewOptions
  @OptionGroup(title: "Stopping, resuming, varying") var saving: SavingOptions
  @OptionGroup(title: "Lists") var list: ListOptions
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    try drawingRun().check("instruction")
    if pictures.images.isEmpty { throw ValidationError("edit needs --image") }
  }

  func run() throws {
    try drawingRun().run()
  }

  private func drawingRun() throws -> DrawingRun {
    DrawingRun(
      model: model, input: input, image: image, saving: saving, list: list,
      preview: preview,
      text: try promptOption.optionalText(instruction, "instruction"), sources: pictures.images)
  }
}
