/// What makes weights fit inputs that have drifted (GPTAQ, arXiv 2504.02692), for all weights of one input.
///
/// Rounded weights get inputs `x_q` where the original ones `W` get `x`. What comes closest to `W x` for them is
///
///     W* = W C (H + d I)⁻¹,    C = E[x x_qᵀ],  H = E[x_q x_qᵀ]
///
/// Here the damping draws `W*` to `W` instead of 0, so that inputs without drift leave weights as they are:
///
///     W* = W + W T,    T = D (H + d I)⁻¹,  D = C - H = E[(x - x_q) x_qᵀ]
///
/// Where a layer has a bias all of it is about the means, and the bias takes `W E[x] - W* E[x_q]`.
struct DriftCorrection: Sendable {
  struct Block: Sendable {
    /// The columns of the block, as columns of the weight.
    let columns: Range<Int>
    /// `Tᵀ`, `[count][count]`.
    let values: [Float]
  }

  let blocks: [Block]
  /// Means of `x - x_q` and of `x_q`; empty where no bias makes good what is wrong on average.
  let driftMeans, inputMeans: [Float]

  /// Share of the mean diagonal of `H` that is added to it, for weights that become integers and for those that stay
  /// floats. Integers keep nothing of a correction that is smaller than their steps.
  private static let damping = (integers: 0.1, floats: 0.01)

  /// - Parameters:
  ///   - parted: does parts of the work.
  ///   - beforeBlock: called before each block; throws to stop.
  /// - Returns: nil where no drift is known.
  init?(
    _ moments: SecondMoments, isForIntegers: Bool, _ parted: PartedWork,
    beforeBlock: () throws -> Void
  ) rethrows {
    guard let drift = moments.drift else { return nil }
    let damping = isForIntegers ? Self.damping.integers : Self.damping.floats
    blocks = try moments.blocks.enumerated().map { index, columns in
      try beforeBlock()
      return Block(
        columns: columns,
        values: Self.solve(
          moments.triangle(index), drift.block(index, of: moments.blocks), columns.count, damping,
          parted))
    }
    driftMeans = moments.means.isEmpty ? [] : drift.means
    inputMeans = moments.means
  }

  /// `Tᵀ = (H + d I)⁻¹ Dᵀ`.
  private static func solve(
    _ triangle: ArraySlice<Float>, _ drift: ArraySlice<Float>, _ count: Int, _ damping: Double,
    _ parted: PartedWork
  ) -> [Float] {
    var square = [Double](repeating: 0, count: count * count)
    var (next, trace) = (triangle.startIndex, 0.0)
    for row in 0..<count {
      for column in 0...row {
        square[row * count + column] = Double(triangle[next])
        next += 1
      }
      trace += square[row * count + row]
    }
    let added = trace > 0 ? trace / Double(count) * damping : 1
    for row in 0..<count { square[row * count + row] += added }
    var transposed = [Float](repeating: 0, count: count * count)
    for row in 0..<count {
      for column in 0..<count {
        transposed[column * count + row] = drift[drift.startIndex + row * count + column]
      }
    }
    return SymmetricFactor(consume square, count: count, least: added / 2, parted)
      .solve(transposed, parted)
  }
}
