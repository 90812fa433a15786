import ArgumentParser
import VARBench

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Drawing a picture.")

  @OptionGroup var model: ModelOptions

  @Option(help: "Side of the picture in pixels: 256, 512, 768 or 1024.")
  var size: Int = 256

  @Option(help: "Guidance strength; 1 switches guidance off.")
  var cfgScale: Double = 3

  @Option(help: "1: coarse scales alone are guided; 2: besides, the others are read in part.")
  var fast: Int?

  @Option(help: "Tokens of the text before the picture.")
  var prompt: Int = 32

  @OptionGroup var machine: MachineOptions

  func run() throws {
    let benchmark = try GenerateBenchmark(
      model.shape, size: size, cfgScale: cfgScale, fast: fast, promptTokens: prompt)
    let made = try model.model(machine)
    try model.writeLimits(machine)
    Lines.write(try benchmark.records(made), machine.modelConditions)
  }
}
