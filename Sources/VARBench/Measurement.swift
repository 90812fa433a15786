import VARSystem

/// Values of the same quantity from repeated runs.
package struct Measurement: Sendable {
  /// In ascending order.
  package let values: [Double]

  package init(_ values: [Double]) {
    precondition(!values.isEmpty, "a measurement has a value")
    self.values = values.sorted()
  }

  package var minimum: Double { values[0] }
  package var maximum: Double { values[values.count - 1] }
  package var median: Double {
    let middle = values.count / 2
    return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
  }

  /// The measurement of a quantity that is a function of this one.
  package func map(_ transform: (Double) -> Double) -> Measurement {
    Measurement(values.map(transform))
  }
}

/// Times work, in seconds.
package enum Stopwatch {
  /// Seconds of one run of `body`.
  package static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = MonotonicClock.seconds()
    try body()
    return MonotonicClock.seconds() - start
  }

  /// Seconds of `repeats` runs after one that warms caches, clocks and page tables up and does not count.
  package static func repeated(_ repeats: Int, _ body: () throws -> Void) rethrows -> Measurement {
    try body()
    return Measurement(try (0..<max(1, repeats)).map { _ in try seconds(body) })
  }
}
