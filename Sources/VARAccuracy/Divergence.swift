import CVARKernels
import VARKernels

/// How far the probabilities of bits, or of tokens, are from those of the reference.
package struct Divergence: Sendable {
  /// Kullback-Leibler divergence from the reference, in nats.
  package private(set) var kl = Sample()
  /// How much more probable the model holds the bit or the token of the case than the reference does.
  package private(set) var probabilityChange = Sample()
  /// 1 where what the model holds most probable is what the reference does, else 0.
  package private(set) var sameTop = CaseMean()
  /// Logarithms of the probability of what the case has.
  package private(set) var logProbability = CaseMean()
  package private(set) var referenceLogProbability = CaseMean()

  package init() {}

  package var count: Int { kl.count }
  package var sameTopCount: Int { Int((sameTop.mean * Double(count)).rounded()) }

  /// What follows belongs to another case.
  package mutating func beginCase() {
    kl.beginCase()
    probabilityChange.beginCase()
    sameTop.beginCase()
    logProbability.beginCase()
    referenceLogProbability.beginCase()
  }

  /// What one bit or token adds.
  private mutating func add(
    kl divergence: Double, isSameTop: Bool, logProbability own: Double, reference: Double
  ) {
    kl.add(divergence)
    probabilityChange.add(exponential(own) - exponential(reference))
    sameTop.add(isSameTop ? 1 : 0)
    logProbability.add(own)
    referenceLogProbability.add(reference)
  }

  package static func + (left: Divergence, right: Divergence) -> Divergence {
    var both = left
    both.kl = left.kl + right.kl
    both.probabilityChange = left.probabilityChange + right.probabilityChange
    both.sameTop = left.sameTop + right.sameTop
    both.logProbability = left.logProbability + right.logProbability
    both.referenceLogProbability = left.referenceLogProbability + right.referenceLogProbability
    return both
  }
}

// MARK: Bits

extension Divergence {
  /// A row of bits: those of a token.
  ///
  /// - Parameters:
  ///   - reference: pairs for 0 and 1 of each bit; so are the logits.
  ///   - given: the bits of the case.
  /// - Returns: the sum of the divergences.
  package mutating func add(
    reference: UnsafeBufferPointer<Float>, _ logits: UnsafeBufferPointer<Float>,
    given: ArraySlice<UInt8>
  ) -> Double {
    precondition(reference.count == logits.count, "logits of the same bits")
    var sum = 0.0
    for (bit, value) in given.enumerated() {
      let expected = BitProbabilities(reference[2 * bit + 1] - reference[2 * bit])
      let actual = BitProbabilities(logits[2 * bit + 1] - logits[2 * bit])
      var divergence = 0.0
      // What is never drawn adds nothing.
      if expected.one > 0 {
        divergence += expected.one * (cvar_log(expected.one) - cvar_log(actual.one))
      }
      if expected.zero > 0 {
        divergence += expected.zero * (cvar_log(expected.zero) - cvar_log(actual.zero))
      }
      sum += divergence
      add(
        kl: divergence, isSameTop: expected.isOne == actual.isOne,
        logProbability: cvar_log(value == 1 ? actual.one : actual.zero),
        reference: cvar_log(value == 1 ? expected.one : expected.zero))
    }
    return sum
  }
}

/// Probabilities of a bit; their sum is 1 but for rounding, and neither is lost where it is small.
private struct BitProbabilities {
  let zero, one: Double
  let isOne: Bool

  /// - Parameter difference: of the logits of 1 and 0.
  init(_ difference: Float) {
    // 80 is where `e^-x` is still a normal number.
    let odds = Double(cvar_exp(-min(abs(difference), 80)))
    let (likely, other) = (1 / (1 + odds), odds / (1 + odds))
    isOne = difference > 0
    (zero, one) = isOne ? (other, likely) : (likely, other)
  }
}

// MARK: Tokens

extension Divergence {
  /// - Parameters:
  ///   - reference: of all tokens of the vocabulary; so are the logits.
  ///   - given: the token of the case.
  package mutating func add(
    reference: UnsafeBufferPointer<Float>, _ logits: UnsafeBufferPointer<Float>, given: Int
  ) {
    precondition(reference.count == logits.count, "logits of one vocabulary")
    add(
      reference: TopLogits(reference, keeping: reference.count, given: given), logits,
      given: given)
  }

  /// Tokens that the reference did not keep count as one: the divergence is a lower bound of the true one then.
  ///
  /// - Parameters:
  ///   - logits: of all tokens of the vocabulary.
  ///   - given: the token of the case.
  package mutating func add(
    reference: TopLogits, _ logits: UnsafeBufferPointer<Float>, given: Int
  ) {
    let actual = LogitSum(logits)
    var divergence = 0.0
    for (id, logit) in zip(reference.ids, reference.logits) {
      let logarithm = Double(logit) - reference.facts.logarithm
      let p = exponential(logarithm)
      let own = Double(logits[Int(id)]) - actual.logarithm
      divergence += p * (logarithm - own)
    }
    let leftOut = reference.facts.leftOut
    if leftOut > 0 {
      let own = actual.share(besides: reference.ids, of: logits)
      divergence += leftOut * (cvar_log(leftOut) - cvar_log(max(own, .leastNormalMagnitude)))
    }
    add(
      kl: divergence, isSameTop: Int(reference.facts.top) == actual.top,
      logProbability: Double(logits[given]) - actual.logarithm,
      reference: Double(reference.facts.given) - reference.facts.logarithm)
  }
}

/// `e^value` by the kernels' own function, so that reports agree everywhere.
func exponential(_ value: Double) -> Double { Double(cvar_exp(Float(max(value, -80)))) }
