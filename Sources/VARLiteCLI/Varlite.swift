import ArgumentParser
import VARKernels

@main
struct Varlite: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varlite",
    abstract: "Answers questions about pictures, draws, and edits, on small machines.",
    discussion: """
      Without --model the model named by $VARLITE_MODEL is used, else the small demo model that comes with varlite: \
      it knows a toy world of coloured shapes.
      """,
    version: "\(Version.text) (\(InstructionSet.best.rawValue))",
    subcommands: [
      GenerateCommand.self, UnderstandCommand.self, EditCommand.self, ChatCommand.self,
      ReconstructCommand.self, TokenizeCommand.self, InfoCommand.self, VerifyCommand.self,
      EvalCommand.self,
    ])

  static func main() {
    Interruption.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure.exit(error)
    }
  }
}

enum Version {
  static let text = "0.1.0"
}
