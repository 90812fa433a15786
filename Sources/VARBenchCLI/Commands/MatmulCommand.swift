import ArgumentParser
import VARBench
import VARQuantization

extension Precision: ExpressibleByArgument {}

struct MatmulCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemm",
    abstract: "The product of one weight matrix [m, k] with n rows of activations.")

  @Option(help: "Outputs of the matrix.")
  var m: Int = 18944

  @Option(help: "Inputs of the matrix.")
  var k: Int = 3584

  @Option(help: "Rows of activations, a list with commas.")
  var n: String = "1,16,512"

  @Option(help: "Type of the weights.")
  var precision: Precision = .int4

  @Option(parsing: .unconditional, help: "Inputs that share a scale; default: the recipes'.")
  var groupSize: Int?

  @OptionGroup var machine: MachineOptions

  private func counts() throws -> [Int] {
    try n.split(separator: ",").map { part in
      guard let count = Int(part), count > 0 else {
        throw ValidationError("--n takes numbers of at least 1, such as 1,16,512")
      }
      return count
    }
  }

  func validate() throws { _ = try counts() }

  func run() throws {
    let conditions = machine.conditions
    let matrix = MatmulBenchmark.Matrix(m: m, k: k, precision: precision, groupSize: groupSize)
    let benchmark = try MatmulBenchmark(
      conditions, matrix, temporaryFolder: machine.temporaryFolder)
    for count in try counts() { Lines.write(try benchmark.records(n: count), conditions) }
  }
}
