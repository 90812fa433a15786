import VARForcedRun

/// How much tokens count: those of one kind together as much as the root of their number, so that the thousands of a
/// drawing do not drown the ten of an answer.
enum TokenWeights {
  static func weights(_ kinds: TokenKinds) -> [Float] {
    kinds.counts.map { 1 / Float($0).squareRoot() }
  }
}
