/// How far stored weights are from the original ones.
package struct WeightError: Sendable, Equatable {
  /// Sum of (original - stored)^2.
  package var squaredError: Double
  /// Sum of original^2.
  package var squaredSum: Double
  /// What each row's output lacks for the mean input, `(original - stored) mean(x)`, row after row: the layer's bias
  /// makes it good. Empty where that is not known.
  package var outputShifts: [Float]

  package init(squaredError: Double = 0, squaredSum: Double = 0, outputShifts: [Float] = []) {
    self.squaredError = squaredError
    self.squaredSum = squaredSum
    self.outputShifts = outputShifts
  }

  /// Root of the error's share in the weights' energy: 0.075 is 7.5 %. Weights that are all zero and stay so have 0.
  package var relative: Double {
    if squaredError == 0 { return 0 }
    return squaredSum > 0 ? (squaredError / squaredSum).squareRoot() : .infinity
  }

  /// Adds the rows that follow.
  package static func += (left: inout WeightError, right: WeightError) {
    left.squaredError += right.squaredError
    left.squaredSum += right.squaredSum
    left.outputShifts += right.outputShifts
  }
}
