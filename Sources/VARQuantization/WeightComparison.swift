import CVARKernels

/// A stored weight held against the original one, element by element.
package struct WeightComparison: Sendable, Equatable {
  package private(set) var error = WeightError()
  package private(set) var elementCount = 0
  /// The largest difference of an element, whatever its sign; not a number where one is none.
  package private(set) var largestError = 0.0
  /// Codes at an end of their range; see `WeightDecoder.saturatedCount`.
  package private(set) var saturatedCount = 0
  /// Elements whose stored value is exactly 0.
  package private(set) var zeroCount = 0

  package init() {}

  /// Adds the elements that follow.
  ///
  /// - Parameter saturatedCount: how many of their codes stand at an end of the range.
  package mutating func add(
    _ original: UnsafeBufferPointer<Float>, _ stored: UnsafeBufferPointer<Float>,
    saturatedCount: Int = 0
  ) {
    precondition(original.count == stored.count, "the same elements of both")
    for index in original.indices {
      let difference = Double(original[index]) - Double(stored[index])
      error.squaredError += difference * difference
      error.squaredSum += Double(original[index]) * Double(original[index])
      // What is not a number stays.
      if abs(difference) > largestError || difference.isNaN { largestError = abs(difference) }
      if stored[index] == 0 { zeroCount += 1 }
    }
    elementCount += original.count
    self.saturatedCount += saturatedCount
  }

  /// Adds other elements, those that follow or those of another weight.
  package static func += (left: inout WeightComparison, right: WeightComparison) {
    left.error += right.error
    left.elementCount += right.elementCount
    if right.largestError > left.largestError || right.largestError.isNaN {
      left.largestError = right.largestError
    }
    left.saturatedCount += right.saturatedCount
    left.zeroCount += right.zeroCount
  }

  /// The signal-to-quantization-noise ratio in dB; infinite where nothing is off.
  package var signalToNoise: Double {
    let relative = error.relative
    if relative == 0 { return .infinity }
    return relative.isFinite ? -20 * cvar_log(relative) / cvar_log(10) : -relative
  }

  /// Root mean square of the original elements.
  package var rootMeanSquare: Double {
    elementCount > 0 ? (error.squaredSum / Double(elementCount)).squareRoot() : 0
  }

  /// The largest error in units of the root mean square.
  package var largestErrorOverRootMeanSquare: Double {
    largestError == 0 ? 0 : largestError / rootMeanSquare
  }

  /// Share of the codes that stand at an end of their range.
  package var saturatedShare: Double { share(saturatedCount) }

  /// Share of the elements whose stored value is exactly 0.
  package var zeroShare: Double { share(zeroCount) }

  private func share(_ count: Int) -> Double {
    elementCount > 0 ? Double(count) / Double(elementCount) : 0
  }
}
