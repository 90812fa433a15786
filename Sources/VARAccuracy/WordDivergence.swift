import CVARKernels
import VARKernels

/// How far the probabilities of tokens are from those of the reference.
package struct WordDivergence: Sendable {
  package private(set) var count = 0
  /// Tokens where the most probable one is the reference's.
  package private(set) var sameTopCount = 0
  private var sum = 0.0

  /// Mean Kullback-Leibler divergence of a token from the reference, in nats.
  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  /// - Parameters reference, logits: of all tokens of the vocabulary.
  mutating func add(reference: UnsafeBufferPointer<Float>, _ logits: UnsafeBufferPointer<Float>) {
    precondition(reference.count == logits.count, "logits of one vocabulary")
    let (expected, actual) = (LogitSum(reference), LogitSum(logits))
    var divergence = 0.0
    for index in logits.indices {
      let p = Double(cvar_exp(reference[index] - expected.largest)) / expected.sum
      guard p > 0 else { continue }
      divergence +=
        p
        * (Double(reference[index]) - Double(logits[index]) + actual.logarithm
          - expected.logarithm)
    }
    count += 1
    sameTopCount += expected.top == actual.top ? 1 : 0
    sum += divergence
  }
}

/// What the logits of one token are normalized by.
private struct LogitSum {
  var largest = -Float.infinity
  /// The first of the largest ones.
  var top = 0
  /// Sum of `e^(logit - largest)`.
  var sum = 0.0
  /// `ln sum of e^logit`.
  var logarithm: Double { Double(largest) + cvar_log(sum) }

  init(_ logits: UnsafeBufferPointer<Float>) {
    for (index, logit) in logits.enumerated() where logit > largest {
      (largest, top) = (logit, index)
    }
    for logit in logits { sum += Double(cvar_exp(logit - largest)) }
  }
}
