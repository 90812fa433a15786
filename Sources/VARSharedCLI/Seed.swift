import ArgumentParser

/// A seed as an argument: a number, or `random` (also `-1`) for one that the system picks.
package struct Seed: ExpressibleByArgument, Sendable, CustomStringConvertible {
  /// The number that is used.
  package let value: UInt64

  package init(_ value: UInt64) { self.value = value }

  package init?(argument: String) {
    if ["random", "-1"].contains(argument) {
      // The system's own random numbers: getrandom(2).
      var system = SystemRandomNumberGenerator()
      self.init(system.next())
    } else {
      guard let value = UInt64(argument) else { return nil }
      self.init(value)
    }
  }

  package var description: String { "\(value)" }
  package var defaultValueDescription: String { description }
}

/// `--seed`.
package struct SeedOption: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      """
      The same seed gives the same result. random, or -1: one that the system picks; the last line or --json tells it. \
      Default: 0.
      """, valueName: "n|random"))
  package var seed: Seed?

  /// The seed that is used.
  package var value: UInt64 { seed?.value ?? 0 }

  package init() {}
}
