import CVARKernels

/// How far the probabilities of bits are from those of the reference.
package struct BitDivergence: Sendable {
  package private(set) var count = 0
  /// Bits whose more probable value is the reference's.
  package private(set) var equalCount = 0
  private var sum = 0.0

  /// Mean Kullback-Leibler divergence of a bit from the reference, in nats.
  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  /// - Parameters reference, logits: pairs for 0 and 1, as many.
  mutating func add(reference: UnsafeBufferPointer<Float>, _ logits: UnsafeBufferPointer<Float>) {
    precondition(reference.count == logits.count, "logits of the same bits")
    for bit in 0..<logits.count / 2 {
      let expected = reference[2 * bit + 1] - reference[2 * bit]
      let actual = logits[2 * bit + 1] - logits[2 * bit]
      count += 1
      equalCount += (expected > 0) == (actual > 0) ? 1 : 0
      let (p, q) = (Self.probabilities(expected), Self.probabilities(actual))
      // What is never drawn adds nothing.
      if p.one > 0 { sum += p.one * (cvar_log(p.one) - cvar_log(q.one)) }
      if p.zero > 0 { sum += p.zero * (cvar_log(p.zero) - cvar_log(q.zero)) }
    }
  }

  static func + (left: BitDivergence, right: BitDivergence) -> BitDivergence {
    var both = left
    both.count += right.count
    both.equalCount += right.equalCount
    both.sum += right.sum
    return both
  }

  /// Probabilities of 0 and 1; their sum is 1 but for rounding, and neither is lost where it is small.
  private static func probabilities(_ difference: Float) -> (zero: Double, one: Double) {
    // 80 is where `e^-x` is still a normal number.
    let odds = Double(cvar_exp(-min(abs(difference), 80)))
    let (likely, other) = (1 / (1 + odds), odds / (1 + odds))
    return difference > 0 ? (other, likely) : (likely, other)
  }
}
