import ArgumentParser
import VARBench

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
    subcommands: [
      MachineCommand.self, MatmulCommand.self, UnderstandCommand.self, GenerateCommand.self,
      DecodeCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as BenchmarkError {
      Lines.writeError("varbench: \(error)")
      Glibc.exit(error.code == .invalidRequest ? 2 : 4)
    } catch {
      if exitCode(for: error) == .success { exit(withError: error) }
      Lines.writeError(fullMessage(for: error))
      Glibc.exit(2)
    }
  }
}
