import CVARKernels

/// Levels and scales of one block of a unit, and what they cost.
final class RoundedBlock {
  let levels: LaneColumns
  /// A scale for each group of the block.
  let scales: LaneColumns
  /// `e = w - level * scale`.
  let errors: LaneColumns
  /// `H e`.
  let products: LaneColumns
  /// `eᵀ H e`.
  var cost = Lanes.zero

  init(columns: Int, groups: Int) {
    levels = LaneColumns(columns)
    scales = LaneColumns(groups)
    errors = LaneColumns(columns)
    products = LaneColumns(columns)
  }

  /// Takes over the rows of another rounding that cost less there.
  func adopt(_ other: RoundedBlock, columns: Int, groups: Int) {
    let isLess = other.cost .< cost
    guard any(isLess) else { return }
    func take(_ own: LaneColumns, _ others: LaneColumns, _ count: Int) {
      for index in 0..<count { own[index].replace(with: others[index], where: isLess) }
    }
    take(levels, other.levels, columns)
    take(scales, other.scales, groups)
    take(errors, other.errors, columns)
    take(products, other.products, columns)
    cost.replace(with: other.cost, where: isLess)
  }
}
