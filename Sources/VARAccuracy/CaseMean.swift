/// The mean of a quantity of many bits or tokens, case by case.
package struct CaseMean: Sendable {
  /// Sum and number of the values of each case.
  private var cases: [(sum: Double, count: Int)] = []
  package private(set) var count = 0

  package init() {}

  /// What follows belongs to another case.
  package mutating func beginCase() { cases.append((0, 0)) }

  package mutating func add(_ value: Double) {
    cases[cases.count - 1].sum += value
    cases[cases.count - 1].count += 1
    count += 1
  }

  package var mean: Double { count == 0 ? 0 : cases.reduce(0) { $0 + $1.sum } / Double(count) }

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

  /// The mean over both of the same cases: of two scales, for example.
  package static func + (left: CaseMean, right: CaseMean) -> CaseMean {
    var both = left
    both.count += right.count
    for (index, item) in right.cases.enumerated() {
      if index == both.cases.count { both.cases.append((0, 0)) }
      both.cases[index].sum += item.sum
      both.cases[index].count += item.count
    }
    return both
  }
}
