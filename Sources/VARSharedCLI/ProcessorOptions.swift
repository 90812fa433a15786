import ArgumentParser
import VARKernels

/// How many threads work.
package struct ThreadOptions: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "Threads; default: one per fast core that this program may use.", valueName: "n"))
  package var threads: Int?

  package init() {}

  package func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads is 1 to 256, not \(threads)")
    }
  }
}

/// What of the processor is used; results do not depend on it.
package struct ProcessorOptions: ParsableArguments {
  @OptionGroup package var threading: ThreadOptions

  @Option(
    help: ArgumentHelp("Kernels to use; the results are the same with all.", valueName: "name"))
  package var isa: InstructionSet?

  package init() {}

  package func validate() throws {
    guard let isa, !isa.isSupported else { return }
    let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("--isa \(isa.rawValue) does not run on this machine; there are \(names)")
  }

  package var threads: Int? { threading.threads }
  /// The one asked for, or the machine's best.
  package var instructionSet: InstructionSet { isa ?? .best }
}
