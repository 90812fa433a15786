import ArgumentParser
import VARAccuracy

/// What a measured model must keep to, so that a script can tell by the exit code.
struct BoundOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Fail where the KL of a bit is larger, in nats.", valueName: "x"))
  var maxKl: Double?

  @Option(help: ArgumentHelp("Fail where the KL of a token is larger, in nats.", valueName: "x"))
  var maxTokenKl: Double?

  @Option(help: ArgumentHelp("Fail where fewer bits are equal, in percent.", valueName: "p"))
  var minBits: Double?

  @Option(help: ArgumentHelp("Fail where fewer answers are equal, in percent.", valueName: "p"))
  var minAnswers: Double?

  func validate() throws {
    for (name, value) in [("max-kl", maxKl), ("max-token-kl", maxTokenKl)] {
      if let value, !(value >= 0) { throw ValidationError("--\(name) is 0 or more, not \(value)") }
    }
    for (name, value) in [("min-bits", minBits), ("min-answers", minAnswers)] {
      if let value, !(0...100).contains(value) {
        throw ValidationError("--\(name) is 0 to 100, not \(value)")
      }
    }
  }

  var bounds: AccuracyBounds {
    var bounds = AccuracyBounds()
    (bounds.klPerBit, bounds.klPerToken) = (maxKl, maxTokenKl)
    (bounds.equalBits, bounds.equalAnswers) = (minBits, minAnswers)
    return bounds
  }
}
