import ArgumentParser
import VARLite
import VARSharedCLI
import VARSystem
import VQ4Format

@main
struct Varlite: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varlite",
    abstract: "Answers questions about pictures, draws, and edits, on small machines.",
    discussion: """
      Without --model the model named by $VARLITE_MODEL is used, else the demo model that comes \
      with varlite.

      \(DefaultModel.world)
      """,
    version: ProgramVersion.text("varlite"),
    subcommands: [
      GenerateCommand.self, UnderstandCommand.self, EditCommand.self, ChatCommand.self,
      ReconstructCommand.self, TokenizeCommand.self, InfoCommand.self, VerifyCommand.self,
      CheckCommand.self, RepackCommand.self, PlanCommand.self, EvalCommand.self,
      AccuracyCommand.self,
    ])

  static func main() { ProgramLimits.run("varlite") { Varlite.start() } }

  private static func start() {
    Interruption.install()
    MappingGuard.install(program: "varlite")
    do {
      let arguments = try ProgramInput.arguments()
      guard !arguments.isEmpty else { throw NoCommand(help: helpMessage()) }
      try CommandNames.check(arguments, of: Self.self)
      var command = try parseAsRoot(arguments)
      try command.run()
      if let failure = Console.outputFailure { throw failure }
    } catch {
      Failure.end(error)
    }
  }
}
