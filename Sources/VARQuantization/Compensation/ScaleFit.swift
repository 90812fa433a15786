/// Fits the scales of a block's groups to its levels by least squares in `H`.
///
/// With `Q` holding the levels of each group in a column of its own and `d` the changes of the scales, the errors
/// become `e - Q d`. Their cost is least where `Qᵀ H Q d = Qᵀ H e`: as many equations as there are groups, for each row
/// by itself.
final class ScaleFit {
  private let product: LaneProduct
  private let groupSize: Int
  /// `Qᵀ H Q`, its lower triangle `[group][group]`, then its factor.
  private let system: LaneColumns
  private let columnProducts: LaneColumns

  /// Share of the diagonal that is added to it: scales that the levels tell little of stay where they are.
  private static let damping: Float = 1e-4
  /// A pivot that lets nothing change.
  private static let immovable: Float = 0x1p100

  init(_ product: LaneProduct, groupSize: Int, blockCols: Int) {
    self.product = product
    self.groupSize = groupSize
    let groups = blockCols / groupSize
    system = LaneColumns(groups * groups)
    columnProducts = LaneColumns(blockCols)
  }

  /// `changes` = what to add to the scale of each group.
  func fit(_ block: RoundedBlock, _ feedback: ErrorFeedback, into changes: LaneColumns) {
    let count = feedback.count / groupSize
    gather(block, feedback, count)
    for group in 0..<count {
      var sum = Lanes.zero
      for column in columns(group) { sum += block.levels[column] * block.products[column] }
      changes[group] = sum
    }
    solve(changes, count)
  }

  private func columns(_ group: Int) -> Range<Int> { group * groupSize..<(group + 1) * groupSize }

  private func gather(_ block: RoundedBlock, _ feedback: ErrorFeedback, _ count: Int) {
    feedback.withMoments { moments in
      for group in 0..<count {
        let rows = columns(group).lowerBound..<feedback.count
        product.multiply(
          moments, rows: rows, columns: columns(group),
          by: block.levels.base + columns(group).lowerBound, into: columnProducts.base)
        for other in group..<count {
          var sum = Lanes.zero
          for column in columns(other) {
            sum += block.levels[column] * columnProducts[column - rows.lowerBound]
          }
          system[other * count + group] = sum
        }
      }
    }
  }

  /// `x = system⁻¹ x` by `L D Lᵀ`.
  private func solve(_ x: LaneColumns, _ count: Int) {
    for row in 0..<count {
      let values = system.base + row * count
      for column in 0..<row {
        var sum = values[column]
        let other = system.base + column * count
        for index in 0..<column {
          sum -= values[index] * other[index] * system[index * count + index]
        }
        values[column] = sum / other[column]
      }
      let diagonal = values[row]
      var pivot = diagonal + diagonal * Self.damping
      for index in 0..<row {
        pivot -= values[index] * values[index] * system[index * count + index]
      }
      // Groups whose levels are all zero, or tell what others do: their scales stay.
      pivot.replace(with: Self.immovable, where: pivot .<= diagonal * (Self.damping / 2))
      values[row] = pivot
    }
    for row in 0..<count {
      for column in 0..<row { x[row] -= system[row * count + column] * x[column] }
    }
    for row in (0..<count).reversed() {
      x[row] /= system[row * count + row]
      for below in row + 1..<count { x[row] -= system[below * count + row] * x[below] }
    }
  }
}
