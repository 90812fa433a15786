import ArgumentParser
import VARBench
import VARKernels
import VARSharedCLI

struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Bringing the weights of a model file into memory.")

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The model.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: String

  @Option(help: "Where the weights go: map, load or stream.")
  var residency: String = "load"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory that weights may take; K, M and G are powers of 1024.", valueName: "bytes"))
  var ram: ByteCount?

  @Flag(help: "Have the page cache forget the file first.")
  var cold = false

  @OptionGroup var machine: MachineOptions

  func run() throws {
    let benchmark = try LoadBenchmark(
      path: model, residency: residency, budgetBytes: ram?.bytes, isCold: cold)
    Lines.write(try benchmark.records(machine.modelConditions), machine.modelConditions)
  }
}
