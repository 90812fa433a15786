import ArgumentParser
import VARBench

struct MachineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "machine",
    abstract: "Memory bandwidth and peaks of the cores: the limits of every model.")

  @Option(help: "MiB that the bandwidth probe reads.")
  var mebibytes: Int = 1024

  @OptionGroup var machine: MachineOptions

  func validate() throws {
    guard (1...65_536).contains(mebibytes) else {
      throw ValidationError("--mebibytes takes 1...65536")
    }
  }

  func run() throws {
    let conditions = machine.conditions
    let probe = try MachineProbe(
      conditions, byteCount: mebibytes << 20, temporaryFolder: machine.temporaryFolder)
    Lines.write(probe.records(), conditions)
  }
}
