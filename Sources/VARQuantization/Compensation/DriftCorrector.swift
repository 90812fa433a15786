import CVARKernels

/// Corrects units of 16 rows for the drift of their inputs; one per thread, since it owns scratch.
///
/// Lanes are rows and the products are `matmul_float`'s: the bits do not depend on the instruction set.
final class DriftCorrector {
  private let correction: DriftCorrection
  private let cols: Int
  private let product: LaneProduct
  private let weights, changes: LaneColumns
  private var corrected: [Float]

  init(_ correction: DriftCorrection, cols: Int, isa: cvar_isa) {
    guard let kernels = cvar_kernels_for(isa) else {
      preconditionFailure("this machine has the instruction set")
    }
    self.correction = correction
    self.cols = cols
    product = LaneProduct(kernels: kernels)
    let blockCols = correction.blocks[0].columns.count
    weights = LaneColumns(blockCols)
    changes = LaneColumns(blockCols)
    corrected = [Float](repeating: 0, count: WeightFormat.unitRowCount * cols)
  }

  /// Calls `body` with `W*` for the rows `x[rowCount][cols]`.
  ///
  /// - Returns: what each row's output lacks then for the mean inputs, `W E[x] - W* E[x_q]`; nothing where there is no
  ///   bias to make it good.
  func correct(
    _ x: UnsafePointer<Float>, rowCount: Int, _ body: (UnsafePointer<Float>) -> Void
  ) -> [Float] {
    var shifts = Lanes.zero
    for block in correction.blocks { correct(x, rowCount, block, &shifts) }
    corrected.withUnsafeBufferPointer { body($0.baseAddress!) }
    return correction.inputMeans.isEmpty ? [] : (0..<rowCount).map { shifts[$0] }
  }

  private func correct(
    _ x: UnsafePointer<Float>, _ rowCount: Int, _ block: DriftCorrection.Block,
    _ shifts: inout Lanes
  ) {
    let (first, count) = (block.columns.lowerBound, block.columns.count)
    for column in 0..<count {
      for row in 0..<rowCount { weights[column][row] = x[row * cols + first + column] }
    }
    block.values.withUnsafeBufferPointer { values in
      product.multiply(
        SquareMatrix(values, size: count), rows: 0..<count, columns: 0..<count, by: weights.base,
        into: changes.base)
    }
    let largest = Lanes(repeating: .greatestFiniteMagnitude)
    for column in 0..<count {
      let weight = weights[column]
      var target = weight + changes[column]
      // Moments that no inputs have may lead anywhere.
      target.replace(with: weight, where: .!(target .<= largest .& target .>= -largest))
      for row in 0..<rowCount { corrected[row * cols + first + column] = target[row] }
      guard !correction.inputMeans.isEmpty else { continue }
      shifts += weight * correction.driftMeans[first + column]
      shifts += (weight - target) * correction.inputMeans[first + column]
    }
  }
}
