import VARQuantization

extension ConversionCheck {
  /// Tensors taken together.
  package struct Total: Sendable {
    package private(set) var tensorCount = 0
    package private(set) var comparison = WeightComparison()
    package private(set) var size = Size()

    /// Bits that a weight takes, scales included.
    package var bitsPerWeight: Double { size.bitsPerWeight(comparison.elementCount) }

    package init(_ rows: some Sequence<Row>) {
      for row in rows {
        tensorCount += 1
        comparison += row.comparison
        size.byteCount += row.size.byteCount
        size.storedByteCount += row.size.storedByteCount
      }
    }
  }

  /// What all rows come to.
  package struct Summary: Sendable {
    /// Rows past their limit.
    package let failureCount: Int
    /// The rows with the largest errors over their limits, the largest first, ten at most; none without an error.
    package let worst: [Row]
    /// By precision, in the order of `Precision`, those that occur.
    package let totals: [(precision: Precision, total: Total)]
    package let total: Total

    package init(_ rows: [Row], worstCount: Int = 10) {
      failureCount = rows.count { !$0.isWithinLimit }
      // Equals stay in the order of the file.
      let sorted = rows.enumerated().filter { $1.errorOverLimit > 0 }.sorted { left, right in
        let (leftError, rightError) = (left.element.errorOverLimit, right.element.errorOverLimit)
        return leftError == rightError ? left.offset < right.offset : leftError > rightError
      }
      worst = sorted.prefix(worstCount).map(\.element)
      totals = Precision.allCases.compactMap { precision in
        let some = rows.filter { $0.precision == precision }
        return some.isEmpty ? nil : (precision, Total(some))
      }
      total = Total(rows)
    }
  }
}

extension ConversionCheck.Row {
  /// Bits that a weight of the tensor takes, scales included.
  package var bitsPerWeight: Double { size.bitsPerWeight(comparison.elementCount) }
}

extension ConversionCheck.Size {
  func bitsPerWeight(_ elementCount: Int) -> Double {
    elementCount > 0 ? 8 * Double(byteCount) / Double(elementCount) : 0
  }
}
