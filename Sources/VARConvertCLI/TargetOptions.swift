import ArgumentParser
import VARKernels
import VARSharedCLI

/// What a recipe is to be found for.
struct TargetOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Find the recipe for a file of so many bytes at most, with K, M or G; it becomes at most 1 % "
        + "smaller.",
      valueName: "bytes"))
  var targetSize: ByteCount?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Find the recipe for so many bits of the file for each weight, 4.5 for example.",
      valueName: "bits"))
  var targetBpw: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Find the recipe for a drawing in so much memory, the file being used in place: the peak that "
        + "varlite plan tells with --residency map. The layout is map.",
      valueName: "bytes"))
  var targetRam: ByteCount?

  @Flag(
    help: "Find the recipe and tell its size and expected error; write no model.")
  var dryRun = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Cases that a search shows the model, questions and drawings in turn (default: as many as "
        + "are worth their time).",
      valueName: "n"))
  var searchCases: Int?

  /// Whether there is a target.
  var isGiven: Bool { targetSize != nil || targetBpw != nil || targetRam != nil }

  func validate() throws {
    let count = [targetSize != nil, targetBpw != nil, targetRam != nil].count { $0 }
    guard count <= 1 else {
      throw ValidationError("--target-size, --target-bpw and --target-ram exclude each other.")
    }
    if let targetBpw, !(targetBpw > 0 && targetBpw <= 64) {
      throw ValidationError("--target-bpw \(targetBpw) is not within 0 and 64.")
    }
    if let searchCases, !(2...1000).contains(searchCases) {
      throw ValidationError("--search-cases \(searchCases) is not within 2...1000.")
    }
    if count == 0, dryRun || searchCases != nil {
      throw ValidationError(
        "\(dryRun ? "--dry-run" : "--search-cases") goes with a target; to see what a recipe "
          + "makes, use varconvert plan.")
    }
  }
}
