import ArgumentParser
import VARBench

struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Bringing the weights of a model file into memory.")

  @Option(help: ArgumentHelp("The model.", valueName: "model.vq4"))
  var model: String

  @Option(help: "Where the weights go: map, load or stream.")
  var residency: String = "load"

  @Option(
    help: ArgumentHelp(
      "Memory that weights may take; K, M and G are powers of 1024.", valueName: "bytes"))
  var ram: ByteSize?

  @Flag(help: "Have the page cache forget the file first.")
  var cold = false

  @OptionGroup var machine: MachineOptions

  func run() throws {
    let benchmark = try LoadBenchmark(
      path: model, residency: residency, budgetBytes: ram?.byteCount, isCold: cold)
    Lines.write(try benchmark.records(machine.modelConditions), machine.modelConditions)
  }
}

/// A size such as `1500000`, `600M` or `1.5G`.
struct ByteSize: ExpressibleByArgument {
  let byteCount: Int

  init?(argument: String) {
    let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30]
    let unit = argument.last.flatMap { units[$0] }
    guard let number = Double(unit == nil ? argument : String(argument.dropLast())),
      number > 0, number * (unit ?? 1) < 0x1p50
    else { return nil }
    byteCount = Int(number * (unit ?? 1))
  }
}
