import VARRecipeSearch

/// The recipes along the way from the smallest to the largest, and where the chosen one stands.
struct FrontierTable {
  private let choices: RecipeChoices
  private let chosen: RecipeChoices.Choice

  static let rowCount = 12
  private static let barWidth = 40

  init(_ choices: RecipeChoices, _ chosen: RecipeChoices.Choice) {
    self.choices = choices
    self.chosen = chosen
  }

  var lines: [String] {
    var rows = choices.frontier(Self.rowCount).map { (isChosen: false, choice: $0) }
    rows.removeAll { $0.choice.fileByteCount == chosen.fileByteCount }
    rows.append((true, chosen))
    rows.sort { $0.choice.fileByteCount < $1.choice.fileByteCount }
    let columns = [9, 10, 9, 9, 6]
    let head = zip(["file", "bits/wt", "KL/bit", "KL/token", "error"], columns).map {
      Text.padded($0, $1, isNumber: true)
    }
    let bars = Self.bars(rows.map(\.choice.objective))
    let table = zip(rows, bars).map { row, bar in
      let choice = row.choice
      let fields = [
        Text.bytes(choice.fileByteCount), Text.fixed(choice.bitsPerWeight, 2),
        Text.scientific(choice.klPerBit, 1), Text.scientific(choice.klPerToken, 1),
        Text.fixed(choice.objective, 2),
      ]
      return (row.isChosen ? "> " : "  ")
        + zip(fields, columns).map { Text.padded($0, $1, isNumber: true) }.joined(separator: "  ")
        + "  " + bar
    }
    let kinds = choices.byteCounts(chosen).map {
      "\($0.storage) \(Text.bytes($0.byteCount))"
    }
    return ["  " + head.joined(separator: "  ") + "  (2 is int4; a bar for each, by its logarithm)"]
      + table + ["chosen: " + kinds.joined(separator: ", ")]
  }

  /// Bars as long as the logarithms, the shortest of one character.
  private static func bars(_ values: [Double]) -> [String] {
    func logarithm(_ value: Double) -> Double {
      var (rest, result) = (max(value, 1e-9), 0.0)
      while rest < 1 { (rest, result) = (rest * 2, result - 1) }
      while rest >= 2 { (rest, result) = (rest / 2, result + 1) }
      return result + rest - 1
    }
    let logarithms = values.map(logarithm)
    guard let least = logarithms.min(), let most = logarithms.max() else { return [] }
    return logarithms.map { value in
      let share = most > least ? (value - least) / (most - least) : 1
      return String(repeating: "#", count: 1 + Int((share * Double(barWidth - 1)).rounded()))
    }
  }
}
