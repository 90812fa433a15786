import ArgumentParser
import VARKernels
import VARLite
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
      try checkArguments()
      var command = try parseAsRoot()
      try command.run()
      if let failure = Console.outputFailure { throw failure }
    } catch {
      Failure.end(error)
    }
  }
}

extension Varlite {
  /// Text that is not UTF-8 would be repaired silently, and a file of that name not found.
  private static func checkArguments() throws(GenerationError) {
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil
      else { continue }
      throw GenerationError(
        .invalidRequest, "argument \(index) is not UTF-8: \(String(cString: argument))")
    }
  }
}

enum Version {
  static let text = "0.1.0"
}
