import ArgumentParser
import VARSharedCLI

/// A model file that a command looks into without running it.
struct ModelFileArgument: ParsableArguments {
  @Argument(
    help: "The .vq4 file; default: as for the other commands.",
    completion: .file(extensions: ["vq4"]))
  var file: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The file, as an option instead of the argument.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: String?

  @Flag(help: "Nothing on standard error but faults.")
  var quiet = false

  func validate() throws {
    if file != nil, model != nil { throw ValidationError("the model is named twice") }
  }

  /// The file's path; says where it is the demo model.
  func path() throws -> String {
    let choice = try DefaultModel.choice(option: file ?? model)
    if !quiet { choice.announce() }
    return choice.path
  }
}
