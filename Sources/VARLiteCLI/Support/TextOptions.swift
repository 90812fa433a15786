import ArgumentParser
import VARLite
import VARSharedCLI

/// How text is picked.
struct TextOptions: ParsableArguments {
  @Option(
    name: [.customShort("n"), .long],
    parsing: .unconditional, help: ArgumentHelp("Tokens to write at most.", valueName: "n"))
  var maxTokens = 512

  @Option(
    parsing: .unconditional, help: ArgumentHelp("0 takes the most probable token.", valueName: "x"))
  var temperature = 0.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the most probable tokens up to this probability.", valueName: "p"))
  var topP = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep this many of the most probable tokens; 0 keeps all.", valueName: "k"))
  var topK = 0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Makes tokens that were used less probable. Default: the model's.", valueName: "x"))
  var repetitionPenalty: Double?

  @Flag(help: "Write on after the model has ended its text.")
  var ignoreEos = false

  @OptionGroup var seedOption: SeedOption

  var seed: UInt64 { seedOption.value }

  func validate() throws {
    guard (1...1_000_000).contains(maxTokens) else {
      throw ValidationError("--max-tokens is 1 to 1000000, not \(maxTokens)")
    }
    guard (0...100).contains(temperature) else {
      throw ValidationError("--temperature is 0 to 100, not \(temperature)")
    }
    guard (0...1).contains(topP) else {
      throw ValidationError("--top-p is 0 to 1, not \(topP)")
    }
    guard topK >= 0 else { throw ValidationError("--top-k is 0 or more, not \(topK)") }
    if let repetitionPenalty, !(0.01...100).contains(repetitionPenalty) {
      throw ValidationError("--repetition-penalty is 0.01 to 100, not \(repetitionPenalty)")
    }
  }

  var sampling: TextSampling {
    var sampling = TextSampling(
      temperature: temperature, topP: topP, topK: topK, seed: seed, maximumTokens: maxTokens)
    sampling.repetitionPenalty = repetitionPenalty
    sampling.ignoresEndOfSequence = ignoreEos
    return sampling
  }
}
