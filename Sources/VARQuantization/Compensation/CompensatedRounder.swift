import CVARKernels

/// Rounds units of 16 rows with error feedback, block by block; one per thread, since it owns scratch.
///
/// A unit comes rounded to the nearest. In each block of its columns, for each row by itself,
/// 1. levels are chosen anew with feedback, by the scales that the unit came with (`ErrorFeedback`);
/// 2. scales are fitted to these levels (`ScaleFit`), and levels chosen anew by these scales;
/// 3. each level in turn is moved where that helps, the others being as they are (coordinate descent);
/// 4. scales are fitted once more, and levels moved once more.
///
/// A step is kept for the rows whose `eᵀ H e` it lowers: a block never costs more than the nearest levels do.
///
/// Lanes are rows, sums run in one order, and the large products are `matmul_float`'s: the bytes do not depend on the
/// instruction set.
final class CompensatedRounder {
  private let format: WeightFormat
  private let rounding: RoundingLevels
  private let steps: CompensationSteps
  private let product: LaneProduct
  private let scaleFit: ScaleFit
  private let weights: LaneColumns
  private let best, trial: RoundedBlock
  /// Inverse scales of the groups at work, 0 for scales of 0.
  private let inverses: LaneColumns
  /// Errors in the order of rounding, or changes of errors.
  private let ordered: LaneColumns
  private let sums: LaneColumns

  /// Columns whose errors reach the other columns together.
  private static let panelCols = 32

  private let feedback: [ErrorFeedback]
  private let means: [Float]
  /// What each row's output lacks for the mean input.
  private var outputShifts = Lanes.zero

  init(_ format: WeightFormat, _ compensation: Compensation, isa: cvar_isa) {
    guard let kernels = cvar_kernels_for(isa) else {
      preconditionFailure("this machine has the instruction set")
    }
    let blockCols = compensation.blockCols
    precondition(blockCols % format.groupSize == 0, "a block of whole groups")
    let groups = blockCols / format.groupSize
    self.format = format
    feedback = compensation.feedback
    means = compensation.means
    rounding = RoundingLevels(format)
    steps = compensation.steps
    product = LaneProduct(kernels: kernels)
    scaleFit = ScaleFit(product, groupSize: format.groupSize, blockCols: blockCols)
    weights = LaneColumns(blockCols)
    best = RoundedBlock(columns: blockCols, groups: groups)
    trial = RoundedBlock(columns: blockCols, groups: groups)
    inverses = LaneColumns(groups)
    ordered = LaneColumns(blockCols)
    sums = LaneColumns(blockCols)
  }

  /// Rounds a unit of `x[unit.rowCount][cols]` anew.
  ///
  /// - Parameter errors: of each row; written.
  /// - Returns: what each row's output lacks for the mean input; nothing where there is no bias to make it good.
  func round(
    _ x: UnsafePointer<Float>, _ unit: UnitStreams, _ errors: inout [cvar_weight_error]
  ) -> [Float] {
    for row in 0..<unit.rowCount { errors[row].squared_error = 0 }
    outputShifts = .zero
    for feedback in feedback {
      round(x, unit, feedback)
      for column in 0..<feedback.count {
        let error = best.errors[column]
        for row in 0..<unit.rowCount {
          errors[row].squared_error += Double(error[row]) * Double(error[row])
        }
        if !means.isEmpty { outputShifts += error * means[feedback.columns.lowerBound + column] }
      }
    }
    return means.isEmpty ? [] : (0..<unit.rowCount).map { outputShifts[$0] }
  }

  private func round(_ x: UnsafePointer<Float>, _ unit: UnitStreams, _ feedback: ErrorFeedback) {
    let columns = feedback.columns
    let groups = columns.lowerBound / format.groupSize..<columns.upperBound / format.groupSize
    for column in 0..<columns.count {
      for row in 0..<unit.rowCount {
        weights[column][row] = x[row * format.cols + columns.lowerBound + column]
      }
      best.levels[column] = unit.levels(columns.lowerBound + column)
    }
    for group in 0..<groups.count { best.scales[group] = unit.scale(groups.lowerBound + group) }
    measure(best, feedback)
    chooseLevels(feedback, groups.count)
    for fit in 0..<steps.fitCount {
      fitScales(unit, feedback, groups)
      if fit + 1 < steps.fitCount { chooseLevels(feedback, groups.count) }
    }
    if steps.descentCount > 0 {
      descend(feedback, groups.count)
      if steps.fitCount > 0 {
        fitScales(unit, feedback, groups)
        descend(feedback, groups.count)
      }
    }
    for column in 0..<columns.count {
      unit.set(
        best.levels[column], columns.lowerBound + column, indices: rounding.indices)
    }
    for group in 0..<groups.count {
      unit.set(scale: best.scales[group], groups.lowerBound + group)
    }
  }

  /// Levels by the scales of `best`, with feedback.
  private func chooseLevels(_ feedback: ErrorFeedback, _ groupCount: Int) {
    trial.scales.copy(from: best.scales, count: groupCount)
    invert(trial.scales, groupCount)
    feedErrors(feedback)
    measure(trial, feedback)
    best.adopt(trial, columns: feedback.count, groups: groupCount)
  }

  private func invert(_ scales: LaneColumns, _ count: Int) {
    for group in 0..<count {
      let scale = scales[group]
      var inverse = Lanes(repeating: 1) / scale
      inverse.replace(with: 0, where: scale .== 0)
      inverses[group] = inverse
    }
  }

  /// Errors, their products with `H`, and the cost of levels and scales.
  private func measure(_ block: RoundedBlock, _ feedback: ErrorFeedback) {
    let count = feedback.count
    for column in 0..<count {
      block.errors[column] =
        weights[column] - block.levels[column] * block.scales[column / format.groupSize]
    }
    feedback.withMoments { moments in
      product.multiply(
        moments, rows: 0..<count, columns: 0..<count, by: block.errors.base,
        into: block.products.base)
    }
    var cost = Lanes.zero
    for column in 0..<count { cost += block.errors[column] * block.products[column] }
    block.cost = cost
  }

  /// Levels of `trial`, each nearest to its weight and what the errors before it ask of it.
  private func feedErrors(_ feedback: ErrorFeedback) {
    let count = feedback.count
    feedback.withFactor { factor in
      for first in stride(from: 0, to: count, by: Self.panelCols) {
        let panel = first..<min(first + Self.panelCols, count)
        if first > 0 {
          product.multiply(
            factor, rows: panel, columns: 0..<first, by: ordered.base, into: sums.base)
        }
        for place in panel {
          let column = feedback.order[place]
          let group = column / format.groupSize
          var target = weights[column]
          if first > 0 { target += sums[place - first] }
          let row = factor[place]
          for other in first..<place { target += ordered[other] * row[other] }
          let level = rounding.nearest(target * inverses[group])
          trial.levels[column] = level
          ordered[place] = weights[column] - level * trial.scales[group]
        }
      }
    }
  }

  private func fitScales(_ unit: UnitStreams, _ feedback: ErrorFeedback, _ groups: Range<Int>) {
    scaleFit.fit(best, feedback, into: sums)
    trial.levels.copy(from: best.levels, count: feedback.count)
    for group in 0..<groups.count {
      trial.scales[group] = unit.storable(
        best.scales[group] + sums[group], groups.lowerBound + group)
    }
    measure(trial, feedback)
    best.adopt(trial, columns: feedback.count, groups: groups.count)
  }

  /// Moves each level of `best` in turn to where the cost is least while the other levels stay, some times over.
  private func descend(_ feedback: ErrorFeedback, _ groupCount: Int) {
    invert(best.scales, groupCount)
    for _ in 0..<steps.descentCount { sweep(feedback) }
    var cost = Lanes.zero
    for column in 0..<feedback.count { cost += best.errors[column] * best.products[column] }
    best.cost = cost
  }

  private func sweep(_ feedback: ErrorFeedback) {
    let count = feedback.count
    feedback.withMoments { moments in
      for first in stride(from: 0, to: count, by: Self.panelCols) {
        let panel = first..<min(first + Self.panelCols, count)
        var hasChanged = false
        for column in panel {
          let group = column / format.groupSize
          let row = moments[column]
          var product = best.products[column]
          for other in first..<column { product += ordered[other - first] * row[other] }
          let (old, scale) = (best.levels[column], best.scales[group])
          let target = (old * scale + product / row[column]) * inverses[group]
          var level = rounding.nearest(target)
          // Moments that no inputs have may lead anywhere.
          level.replace(with: old, where: target .!= target)
          let change = (old - level) * scale
          hasChanged = hasChanged || any(change .!= 0)
          ordered[column - first] = change
          best.levels[column] = level
          best.errors[column] += change
        }
        guard hasChanged else { continue }
        product.multiply(
          moments, rows: 0..<count, columns: panel, by: ordered.base, into: sums.base)
        for column in 0..<count { best.products[column] += sums[column] }
      }
    }
  }
}
