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
}
