import VARConversion
import VARQuantization

/// What `check` prints for people.
struct CheckTable {
  private let model: String
  private let rows: [ConversionCheck.Row]
  private let summary: ConversionCheck.Summary
  private let nameWidth: Int

  init(_ model: String, _ rows: [ConversionCheck.Row], _ summary: ConversionCheck.Summary) {
    self.model = model
    self.rows = rows
    self.summary = summary
    nameWidth = max(5, rows.map(\.name.count).max() ?? 0)
  }

  private static let columns = [
    ("type", 4), ("bits", 7), ("rms %", 9), ("SQNR dB", 8), ("largest", 9), ("/ RMS", 8),
    ("saturated %", 11), ("zero %", 8),
  ]

  /// - Parameter onlyFailures: leaves out the tensors within their limits, and the summary.
  func lines(onlyFailures: Bool) -> [String] {
    let failures = rows.filter { !$0.isWithinLimit }
    let shown = onlyFailures ? failures : rows.filter { !$0.isWithinLimit || $0.precision != .f32 }
    var lines = shown.isEmpty ? [] : [header("tensor")] + shown.map(line)
    if !onlyFailures { lines += worstLines + totalLines }
    let count = "\(rows.count) tensors, \(summary.failureCount) past their limit"
    return lines + ["\(model): \(count)"]
  }

  private var worstLines: [String] {
    guard !summary.worst.isEmpty else { return [] }
    return ["", "The largest errors against their limits:"]
      + summary.worst.map { row in
        let share = Text.padded(Text.fixed(100 * row.errorOverLimit, 1), 9, isNumber: true)
        return "\(Text.padded(row.name, nameWidth))  \(share) % of \(percent(row.limit)) %"
      }
  }

  private var totalLines: [String] {
    let all = ("\(summary.total.tensorCount) tensors", "all", summary.total)
    let some = summary.totals.map {
      ("\($0.total.tensorCount) tensors", $0.precision.rawValue, $0.total)
    }
    return ["", header("total")]
      + (some + [all]).map { line($0, $1, $2.bitsPerWeight, $2.comparison) }
  }

  private func header(_ first: String) -> String {
    Self.columns.enumerated().reduce(Text.padded(first, nameWidth)) { text, column in
      let (name, width) = column.element
      return text + "  " + Text.padded(name, width, isNumber: column.offset > 0)
    }
  }

  private func line(_ row: ConversionCheck.Row) -> String {
    let verdict = row.isWithinLimit ? "" : "  past the limit \(percent(row.limit)) %"
    return line(row.name, row.precision.rawValue, row.bitsPerWeight, row.comparison) + verdict
  }

  private func line(
    _ name: String, _ type: String, _ bits: Double, _ comparison: WeightComparison
  ) -> String {
    let cells = [
      type, Text.fixed(bits, 3), percent(comparison.error.relative),
      Text.fixed(comparison.signalToNoise, 2), Text.scientific(comparison.largestError, 3),
      Text.fixed(comparison.largestErrorOverRootMeanSquare, 3), percent(comparison.saturatedShare),
      percent(comparison.zeroShare),
    ]
    return zip(cells, Self.columns).enumerated().reduce(Text.padded(name, nameWidth)) {
      $0 + "  " + Text.padded($1.element.0, $1.element.1.1, isNumber: $1.offset > 0)
    }
  }

  private func percent(_ share: Double) -> String { Text.fixed(100 * share, 4) }
}
