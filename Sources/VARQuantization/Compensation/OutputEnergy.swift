import CVARKernels

/// Tells what rows of weights, or their errors, make of the inputs of a layer; one per thread, since it owns scratch.
///
/// For errors that is what rounding is judged by where the inputs are known: the mean of `(eᵀ x)²`, block by block.
package final class OutputEnergy {
  private let compensation: Compensation
  private let product: LaneProduct
  private let columns, products: LaneColumns

  /// - Parameter compensation: for integers.
  package init(_ compensation: Compensation, isa: cvar_isa = cvar_isa_best()) {
    guard let kernels = cvar_kernels_for(isa) else {
      preconditionFailure("this machine has the instruction set")
    }
    precondition(!compensation.feedback.isEmpty, "the moments of the inputs")
    self.compensation = compensation
    product = LaneProduct(kernels: kernels)
    columns = LaneColumns(compensation.blockCols)
    products = LaneColumns(compensation.blockCols)
  }

  /// The sum of `xᵀ H x` over rows `x[rowCount][cols]`, 1...16.
  package func sum(_ x: UnsafePointer<Float>, rowCount: Int, cols: Int) -> Double {
    precondition((1...WeightFormat.unitRowCount).contains(rowCount), "1...16 rows")
    var sum = 0.0
    for feedback in compensation.feedback {
      let (first, count) = (feedback.columns.lowerBound, feedback.count)
      for column in 0..<count {
        var lanes = Lanes.zero
        for row in 0..<rowCount { lanes[row] = x[row * cols + first + column] }
        columns[column] = lanes
      }
      feedback.withMoments { moments in
        product.multiply(
          moments, rows: 0..<count, columns: 0..<count, by: columns.base, into: products.base)
      }
      var energy = Lanes.zero
      for column in 0..<count { energy += columns[column] * products[column] }
      for row in 0..<rowCount { sum += Double(energy[row]) }
    }
    return sum
  }
}
