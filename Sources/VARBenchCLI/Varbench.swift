import ArgumentParser
import VARBench
import VARModels
import VARSharedCLI
import VARSystem
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@main
struct Varbench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varbench",
    abstract: "Measures the machine, the kernels and whole models of synthetic weights.",
    discussion: """
      Prints one line of JSON per quantity. "value" is the median of the repeats; one run before them warms up and \
      does not count.
      """,
    version: ProgramVersion.text("varbench"),
    subcommands: [
      MachineCommand.self, MatmulCommand.self, UnderstandCommand.self, GenerateCommand.self,
      DecodeCommand.self, LoadCommand.self,
    ])

  static func main() { ProgramLimits.run("varbench") { Varbench.start() } }

  private static func start() {
    MappingGuard.install(program: "varbench")
    do {
      let arguments = try ProgramInput.arguments()
      guard !arguments.isEmpty else { throw NoCommand(help: helpMessage()) }
      try CommandNames.check(arguments, of: Self.self)
      var command = try parseAsRoot(arguments)
      try command.run()
      if let failure = StandardOutput.failure {
        Lines.writeError("varbench: \(failure)")
        Glibc.exit(4)
      }
    } catch let error where error is NotText || error is NoCommand {
      Lines.writeError("varbench: \(error)")
      Glibc.exit(2)
    } catch let error as UnknownCommand {
      Lines.writeError(error.description)
      Glibc.exit(2)
    } catch let error as BenchmarkError {
      Lines.writeError("varbench: \(error)")
      Glibc.exit(error.code == .invalidRequest ? 2 : 4)
    } catch let error where error is VQ4Error || error is ModelError || error is ConfigurationError
    {
      Lines.writeError("varbench: \(error)")
      let isRefused =
        (error as? ModelError)?.code == .outOfMemory || (error as? VQ4Error)?.isOutOfMemory == true
      Glibc.exit(isRefused ? 4 : 3)
    } catch {
      if exitCode(for: error) == .success { exit(withError: error) }
      Lines.writeError(fullMessage(for: error))
      Glibc.exit(2)
    }
  }
}
