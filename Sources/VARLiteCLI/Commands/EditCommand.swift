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
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    _ = try promptOption.text(instruction, "instruction")
    if pictures.images.isEmpty { throw ValidationError("edit needs --image") }
  }

  func run() throws {
    let text = try promptOption.text(instruction, "instruction")
    try DrawingRun(
      model: model, input: input, image: image, text: text, sources: pictures.images
    ).run()
  }
}
