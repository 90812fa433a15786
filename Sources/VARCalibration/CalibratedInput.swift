import VARQuantization

/// What was counted of one input.
package struct CalibratedInput {
  package let cols: Int
  package let blockCols: Int
  package internal(set) var tokenCount: Int
  package internal(set) var weightSum: Double
  /// Mean of each column.
  package internal(set) var means: [Float]
  /// Largest magnitude of each column.
  package internal(set) var largest: [Float]
  /// `E[x⁴] / E[x²]²` over all columns; 3 for a normal distribution.
  package internal(set) var kurtosis: Double
  /// Mean of `x xᵀ`, as `SecondMoments` has it.
  package internal(set) var triangles: [Float]
  /// How far the inputs are from those of the original model; nil where they are these.
  package internal(set) var drift: InputDrift?

  init(_ moments: InputMoments, _ drift: DriftSums? = nil) {
    cols = moments.cols
    blockCols = moments.blockCols
    tokenCount = moments.tokenCount
    weightSum = moments.weightSum
    let share = weightSum > 0 ? 1 / weightSum : 0
    means = moments.columns.map { Float($0.sum * share) }
    largest = moments.columns.map(\.largest)
    let count = weightSum * Double(cols)
    let squares = moments.columns.reduce(0) { $0 + $1.squares }
    let fourths = moments.columns.reduce(0) { $0 + $1.fourths }
    kurtosis = squares > 0 ? fourths * count / (squares * squares) : 0
    triangles = moments.triangles.map { Float(Double($0) * share) }
    self.drift = drift?.drift(weightSum: weightSum)
  }

  /// What weights of the input are rounded by; nil where the tokens are too few.
  ///
  /// - Parameter hasBias: whether the layer has a bias.
  func moments(hasBias: Bool) -> SecondMoments? {
    SecondMoments(
      cols: cols, blockCols: blockCols, tokenCount: tokenCount, triangles: triangles, drift: drift
    ).forRounding(means: hasBias ? means : nil)
  }
}
