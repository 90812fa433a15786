import ArgumentParser
import VARBench

extension ModelShape: ExpressibleByArgument {}

/// Which model of synthetic weights is measured.
struct ModelOptions: ParsableArguments {
  @Option(help: "Sizes of the model.")
  var shape: ModelShape = .vargpt

  @Option(help: "Recipe that weights are stored by: balanced, int4, int8, f16 or f32.")
  var precision: String = "int4"

  @Flag(inversion: .prefixedNo, help: "Measure the machine's limits in the same run.")
  var probes = true

  func validate() throws {
    guard BenchmarkModel.precisions.contains(precision) else {
      throw ValidationError(
        "--precision takes \(BenchmarkModel.precisions.joined(separator: ", "))")
    }
  }

  /// Prints the machine's limits as they are now, in pages of the kind that the weights lie in.
  func writeLimits(_ machine: MachineOptions) throws {
    guard probes else { return }
    let probe = try MachineProbe(
      machine.conditions, byteCount: 1 << 30, temporaryFolder: machine.temporaryFolder)
    Lines.write(probe.records(), machine.conditions)
  }

  func model(_ machine: MachineOptions) throws -> BenchmarkModel {
    try BenchmarkModel(
      shape, precision: precision, conditions: machine.modelConditions,
      temporaryFolder: machine.temporaryFolder)
  }
}
