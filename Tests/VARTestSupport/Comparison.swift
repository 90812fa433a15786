/// Where two tensors differ most: the index, both values, and the absolute difference.
public struct LargestDifference: CustomStringConvertible, Sendable {
  public let index: Int
  public let actual: Float
  public let expected: Float
  public let value: Float

  public var description: String {
    "\(value) at \(index): \(actual), expected \(expected)"
  }
}

/// The largest absolute difference of two tensors; a NaN or an unequal count differs without bound.
public func largestDifference(_ actual: [Float], _ expected: [Float]) -> LargestDifference {
  guard actual.count == expected.count else {
    return LargestDifference(
      index: -1, actual: Float(actual.count), expected: Float(expected.count), value: .infinity)
  }
  var worst = LargestDifference(index: 0, actual: 0, expected: 0, value: 0)
  for (index, (left, right)) in zip(actual, expected).enumerated() where left != right {
    let difference = abs(left - right)
    if difference.isNaN || difference > worst.value {
      worst = LargestDifference(
        index: index, actual: left, expected: right,
        value: difference.isNaN ? .infinity : difference)
      if difference.isNaN { break }
    }
  }
  return worst
}
