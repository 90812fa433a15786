import ArgumentParser
import VARBench

struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "The picture tokenizer's decoder: codes to pixels.")

  @OptionGroup var model: ModelOptions

  @Option(help: "Side of the picture in pixels, a multiple of 16.")
  var size: Int = 512

  @OptionGroup var machine: MachineOptions

  func run() throws {
    let benchmark = try DecodeBenchmark(model.shape, size: size)
    let made = try benchmark.model(
      precision: model.precision, conditions: machine.modelConditions,
      temporaryFolder: machine.temporaryFolder)
    Lines.write(try benchmark.records(made), machine.modelConditions)
    // Afterwards, so that the peak of memory is the decoder's.
    try model.writeLimits(machine)
  }
}
