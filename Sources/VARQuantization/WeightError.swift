/// How far stored weights are from the original ones.
package struct WeightError: Sendable, Equatable {
  /// Sum of (original - stored)^2.
  package var squaredError: Double
  /// Sum of original^2.
  package var squaredSum: Double

  package init(squaredError: Double = 0, squaredSum: Double = 0) {
    self.squaredError = squaredError
    self.squaredSum = squaredSum
  }

  /// Root of the error's share in the weights' energy: 0.075 is 7.5 %. Weights that are all zero and stay so have 0.
  package var relative: Double {
    if squaredError == 0 { return 0 }
    return squaredSum > 0 ? (squaredError / squaredSum).squareRoot() : .infinity
  }

  package static func += (left: inout WeightError, right: WeightError) {
    left.squaredError += right.squaredError
    left.squaredSum += right.squaredSum
  }
}
