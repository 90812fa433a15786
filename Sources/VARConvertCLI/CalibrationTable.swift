import VARConversion
import VARSharedCLI

/// What a calibration counted, input by input.
struct CalibrationTable {
  private let file: CalibrationFile

  init(_ path: String) throws { file = try CalibrationFile(path: path) }

  func print() throws {
    let headings = ["input", "columns", "tokens", "tokens/block", "kurtosis", "max/median"]
    var rows = [headings]
    for input in file.inputs {
      let block = min(file.blockCols, input.cols)
      let largest = try file.columns(of: input.name).largest.sorted()
      let median = largest[largest.count / 2]
      let spread = median > 0 ? Double(largest[largest.count - 1] / median) : .infinity
      rows.append([
        input.name.printable, "\(input.cols)", "\(input.tokenCount)",
        Text.fixed(Double(input.tokenCount) / Double(block), 1), Text.fixed(input.kurtosis, 1),
        Text.fixed(spread, 1),
      ])
    }
    printLine(
      "\(file.path): \(file.inputs.count) inputs, blocks of \(file.blockCols) columns, model "
        + file.modelHash.printable
        + (file.recipe.map { ", for recipe \($0.name.printable)" } ?? ""))
    let widths = headings.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      printLine(
        row.indices.map { Text.padded(row[$0], widths[$0], isNumber: $0 > 0) }
          .joined(separator: "  "))
    }
  }
}
