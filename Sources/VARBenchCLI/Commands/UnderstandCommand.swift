import ArgumentParser
import VARBench

struct UnderstandCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "understand", abstract: "Reading a prompt and writing text.")

  @OptionGroup var model: ModelOptions

  @Option(help: "Tokens of the prompt.")
  var prompt: Int = 128

  @Option(help: "Tokens that are written; the first does not count.")
  var tokens: Int = 32

  @OptionGroup var machine: MachineOptions

  func run() throws {
    let benchmark = try UnderstandBenchmark(promptTokens: prompt, writtenTokens: tokens)
    let made = try model.model(machine)
    Lines.write(try benchmark.records(made), machine.modelConditions)
    // Afterwards, so that the peak of memory is the model's.
    try model.writeLimits(machine)
  }
}
