import ArgumentParser
import VARBench
import VARKernels
import VARSharedCLI
import VARSystem

extension PageKind: ExpressibleByArgument {}
extension CodebookKind: ExpressibleByArgument {}

/// What every benchmark takes.
struct MachineOptions: ParsableArguments {
  @OptionGroup var processor: ProcessorOptions

  @Option(help: "Pages that weights and probes lie in.")
  var pages: PageKind = .huge

  @Option(help: "Codebooks of int4 weights: narrow as the converter chooses them, or wide.")
  var codebook: CodebookKind = .narrow

  @Option(
    parsing: .unconditional, help: "Measured runs of each quantity; default: 5, for whole models 1."
  )
  var repeats: Int?

  func validate() throws {
    if let repeats, !(1...1000).contains(repeats) {
      throw ValidationError("--repeats takes 1...1000")
    }
  }

  var conditions: RunConditions { conditions(repeats: repeats ?? 5) }

  /// Conditions of runs that take long.
  var modelConditions: RunConditions { conditions(repeats: repeats ?? 1) }

  private func conditions(repeats: Int) -> RunConditions {
    RunConditions(
      threadCount: processor.threads ?? ThreadPool.defaultThreadCount,
      instructionSet: processor.instructionSet,
      pages: pages, codebook: codebook, repeats: repeats)
  }

  /// Where the file of `--pages file` lies.
  var temporaryFolder: String {
    get throws { try ProgramInput.variable("TMPDIR") ?? "/tmp" }
  }
}
