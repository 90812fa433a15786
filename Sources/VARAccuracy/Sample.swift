/// A quantity that was measured of many bits or tokens, case by case.
package struct Sample: Sendable {
  /// Every value, for the quantiles.
  private var values: [Float] = []
  /// Sum and number of the values of each case.
  private var cases: [(sum: Double, count: Int)] = []
  private var squares = 0.0

  package init() {}

  package var count: Int { values.count }

  /// What follows belongs to another case.
  package mutating func beginCase() { cases.append((0, 0)) }

  package mutating func add(_ value: Double) {
    values.append(Float(value))
    cases[cases.count - 1].sum += value
    cases[cases.count - 1].count += 1
    squares += value * value
  }

  package var mean: Double { count == 0 ? 0 : cases.reduce(0) { $0 + $1.sum } / Double(count) }

  package var rootMeanSquare: Double {
    count == 0 ? 0 : (squares / Double(count)).squareRoot()
  }

  /// Standard error of the mean; nil for a single case.
  ///
  /// Cases are independent of each other, bits of one picture are not. So it is that of a ratio of sums over cases, not
  /// the root of the variance of all values over their number, which would be several times smaller.
  package var standardError: Double? {
    let filled = cases.filter { $0.count > 0 }
    guard filled.count > 1 else { return nil }
    let mean = mean
    let deviations = filled.reduce(0) { sum, item in
      let deviation = item.sum - mean * Double(item.count)
      return sum + deviation * deviation
    }
    let correction = Double(filled.count) / Double(filled.count - 1)
    return (correction * deviations).squareRoot() / Double(count)
  }

  /// The values below which these shares of all lie, with the nearest rank; shares within 0...1.
  package func quantiles(_ shares: [Double]) -> [Double] {
    guard !values.isEmpty else { return shares.map { _ in 0 } }
    let sorted = values.sorted()
    return shares.map { Double(sorted[Int(($0 * Double(sorted.count - 1)).rounded())]) }
  }

  package static func + (left: Sample, right: Sample) -> Sample {
    var both = left
    both.values += right.values
    both.squares += right.squares
    // The same cases, seen twice: of two scales, for example.
    for (index, item) in right.cases.enumerated() {
      if index == both.cases.count { both.cases.append((0, 0)) }
      both.cases[index].sum += item.sum
      both.cases[index].count += item.count
    }
    return both
  }
}
