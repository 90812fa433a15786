import ArgumentParser
import VARKernels
import VARLite
import VARSharedCLI
import VQ4Format

@main
struct Varlite: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varlite",
    abstract: "Answers questions about pictures, draws, and edits, on small machines.",
    discussion: """
      Without --model the model named by $VARLITE_MODEL is used, else the small demo model that \
      comes with varlite: it knows a toy world of coloured shapes.
      """,
    version: "varlite \(Version.text) (\(InstructionSet.best.rawValue))",
    subcommands: [
      GenerateCommand.self, UnderstandCommand.self, EditCommand.self, ChatCommand.self,
      ReconstructCommand.self, TokenizeCommand.self, InfoCommand.self, VerifyCommand.self,
      RepackCommand.self, PlanCommand.self, EvalCommand.self,
    ])

  static func main() {
    Interruption.install()
    MappingGuard.install(program: "varlite")
    do {
      let arguments = try ProgramInput.arguments()
      guard !arguments.isEmpty else { throw NoCommand(help: helpMessage()) }
      var command = try parseAsRoot(arguments)
      try command.run()
      if let failure = Console.outputFailure { throw failure }
    } catch {
      Failure.end(error)
    }
  }
}

enum Version {
  static let text = "0.1.0"
}
