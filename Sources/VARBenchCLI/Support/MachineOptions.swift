import ArgumentParser
import VARBench
import VARKernels
import VARSharedCLI
import VARSystem

extension PageKind: ExpressibleByArgument {}
extension CodebookKind: ExpressibleByArgument {}

/// What every benchmark takes.
struct MachineOptions: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: "Threads, 1...256; default: one per fast core.")
  var threads: Int?

  @Option(help: "Instruction set; default: the machine's best.")
  var isa: InstructionSet = .best

  @Option(help: "Pages that weights and probes lie in.")
  var pages: PageKind = .huge

  @Option(help: "Codebooks of int4 weights: narrow as the converter chooses them, or wide.")
  var codebook: CodebookKind = .narrow

  @Option(
    parsing: .unconditional, help: "Measured runs of each quantity; default: 5, for whole models 1."
  )
  var repeats: Int?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads takes 1...256")
    }
    if let repeats, !(1...1000).contains(repeats) {
      throw ValidationError("--repeats takes 1...1000")
    }
    guard isa.isSupported else {
      throw ValidationError("--isa \(isa.rawValue) does not run on this machine")
    }
  }

  var conditions: RunConditions { conditions(repeats: repeats ?? 5) }

  /// Conditions of runs that take long.
  var modelConditions: RunConditions { conditions(repeats: repeats ?? 1) }

  private func conditions(repeats: Int) -> RunConditions {
    RunConditions(
      threadCount: threads ?? ThreadPool.defaultThreadCount, instructionSet: isa,
      pages: pages, codebook: codebook, repeats: repeats)
  }

  /// Where the file of `--pages file` lies.
  var temporaryFolder: String {
    get throws { try ProgramInput.variable("TMPDIR") ?? "/tmp" }
  }
}
