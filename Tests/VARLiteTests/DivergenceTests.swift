import Testing
import VARAccuracy

/// Figures of divergences, by hand.
@Suite struct DivergenceTests {
  private func sample(_ cases: [[Double]]) -> Sample {
    var sample = Sample()
    for values in cases {
      sample.beginCase()
      for value in values { sample.add(value) }
    }
    return sample
  }

  @Test func meansAndQuantiles() {
    let values = sample([[4, 1], [3, 2, 0]])
    #expect(values.count == 5 && values.mean == 2)
    #expect(values.rootMeanSquare == 6.0.squareRoot())
    #expect(values.quantiles([0, 0.25, 0.5, 0.75, 1]) == [0, 1, 2, 3, 4])
    #expect(Sample().mean == 0 && Sample().quantiles([0.5]) == [0])
  }

  /// Cases of one value each: the textbook's error of a mean. Values that repeat within a case add no certainty.
  @Test func errorsAreThoseOfIndependentCases() throws {
    let single = sample([[1], [2], [3], [6]])
    // Variance 14 / 3, over 4 cases.
    let expected = (14.0 / 3 / 4).squareRoot()
    #expect(abs(try #require(single.standardError) - expected) < 1e-12)
    let repeated = sample([1.0, 2, 3, 6].map { [Double](repeating: $0, count: 50) })
    #expect(abs(try #require(repeated.standardError) - expected) < 1e-12)
    #expect(sample([[1, 2, 3]]).standardError == nil)
  }

  @Test func samplesOfTheSameCasesAdd() throws {
    let both = sample([[1, 2], [5]]) + sample([[3], [7, 9]])
    let whole = sample([[1, 2, 3], [5, 7, 9]])
    #expect(both.mean == whole.mean && both.standardError == whole.standardError)
    #expect(both.quantiles([0, 1]) == [1, 9])
  }

  @Test func aBitByHand() {
    // 3 : 1 for one, against 1 : 1.
    let (reference, own): ([Float], [Float]) = ([0, Float(1.0986123)], [2, 2])
    var divergence = Divergence()
    divergence.beginCase()
    let sum = reference.withUnsafeBufferPointer { reference in
      own.withUnsafeBufferPointer { divergence.add(reference: reference, $0, given: [1]) }
    }
    // 3/4 ln(3/2) + 1/4 ln(1/2)
    #expect(abs(sum - 0.1308122) < 1e-6 && abs(divergence.kl.mean - sum) < 1e-12)
    #expect(abs(divergence.probabilityChange.mean + 0.25) < 1e-6)
    #expect(abs(divergence.perplexity - 2) < 1e-5)
    #expect(abs(divergence.referencePerplexity - 4.0 / 3) < 1e-5)
    // A tie is a zero, the reference's is a one.
    #expect(divergence.sameTopCount == 0)
  }

  @Test func aTokenByHand() {
    let (reference, own): ([Float], [Float]) = (
      [0, 0, Float(0.6931472)], [0, Float(0.6931472), 0]
    )
    var divergence = Divergence()
    divergence.beginCase()
    reference.withUnsafeBufferPointer { reference in
      own.withUnsafeBufferPointer { divergence.add(reference: reference, $0, given: 2) }
    }
    // 1/4, 1/4, 1/2 against 1/4, 1/2, 1/4: 1/4 ln(1/2) + 1/2 ln 2.
    #expect(abs(divergence.kl.mean - 0.1732868) < 1e-6)
    #expect(abs(divergence.probabilityChange.mean + 0.25) < 1e-6)
    #expect(divergence.sameTopCount == 0)
    #expect(abs(divergence.perplexity - 4) < 1e-4)
  }

  /// Tokens that the reference does not keep are one: what they differ by among themselves is not seen.
  @Test func whatIsLeftOutCountsAsOneToken() {
    let reference: [Float] = [2, 0, 1, 0.5, -1]
    let own: [Float] = [1.5, 0.25, 1, 0, 0.5]
    func divergence(keeping count: Int) -> Divergence {
      var divergence = Divergence()
      divergence.beginCase()
      reference.withUnsafeBufferPointer { reference in
        let top = TopLogits(reference, keeping: count, given: 4)
        own.withUnsafeBufferPointer { divergence.add(reference: top, $0, given: 4) }
      }
      return divergence
    }
    func probabilities(_ logits: [Float], _ order: [Int], _ kept: Int) -> [Double] {
      // e^-1 ... e^2 without a library: e to the quarter, times itself.
      let quarter = 1.2840254166877414
      func power(_ exponent: Float) -> Double {
        (0..<Int(abs(exponent) * 4)).reduce(1.0) { value, _ in
          exponent < 0 ? value / quarter : value * quarter
        }
      }
      let sum = logits.reduce(0) { $0 + power($1) }
      let sorted = order.map { power(logits[$0]) / sum }
      return Array(sorted[..<kept]) + [sorted[kept...].reduce(0, +)]
    }
    let order = [0, 2, 3, 1, 4]
    var found: [Double] = []
    for count in 1...5 {
      let mean = divergence(keeping: count).kl.mean
      let (p, q) = (
        probabilities(reference, order, min(count, 4)), probabilities(own, order, min(count, 4))
      )
      let expected = zip(p, q).reduce(0) { $0 + $1.0 * Self.logarithm($1.0 / $1.1) }
      #expect(abs(mean - expected) < 1e-6, "\(count) \(mean) \(expected)")
      found.append(mean)
      // The token of the case may be one that is left out.
      #expect(
        divergence(keeping: count).logProbability.mean
          == divergence(keeping: 5).logProbability.mean)
    }
    // With more tokens the bound only rises.
    #expect(zip(found, found.dropFirst()).allSatisfy { $0 <= $1 + 1e-7 }, "\(found)")
  }

  /// `ln x` by its series, for tests that must not lean on what they test.
  private static func logarithm(_ x: Double) -> Double {
    let y = (x - 1) / (x + 1)
    return (0..<200).reduce(0.0) { sum, n in
      var power = y
      for _ in 0..<n { power *= y * y }
      return sum + 2 * power / Double(2 * n + 1)
    }
  }
}
