/// A quantity of many bits or tokens of which more than the mean is told: every value is kept.
package struct Sample: Sendable {
  package private(set) var overCases = CaseMean()
  private var values: [Float] = []
  private var squares = 0.0

  package init() {}

  package var count: Int { values.count }
  package var mean: Double { overCases.mean }
  package var standardError: Double? { overCases.standardError }

  /// What follows belongs to another case.
  package mutating func beginCase() { overCases.beginCase() }

  package mutating func add(_ value: Double) {
    overCases.add(value)
    values.append(Float(value))
    squares += value * value
  }

  package var rootMeanSquare: Double {
    count == 0 ? 0 : (squares / Double(count)).squareRoot()
  }

  /// The values below which these shares of all lie, with the nearest rank; shares within 0...1.
  package func quantiles(_ shares: [Double]) -> [Double] {
    guard !values.isEmpty else { return shares.map { _ in 0 } }
    let sorted = values.sorted()
    return shares.map { Double(sorted[Int(($0 * Double(sorted.count - 1)).rounded())]) }
  }

  /// Both of the same cases.
  package static func + (left: Sample, right: Sample) -> Sample {
    var both = left
    both.overCases = left.overCases + right.overCases
    both.values += right.values
    both.squares += right.squares
    return both
  }
}
