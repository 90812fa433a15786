import CVARKernels

/// What a linear layer's inputs had in common over many tokens: sums of `x xᵀ`, in blocks along the diagonal.
///
/// With blocks of 1,024 columns an input of 3,584 has four of them:
///
///     columns   0 ..< 1024   1024 ..< 2048   2048 ..< 3072   3072 ..< 3584
///     block     0            1               2               3
///
/// A block holds its lower triangle row by row: `(0,0), (1,0), (1,1), (2,0), ...`. Products of columns of different
/// blocks are not kept: what is rounded in one block is made good in the same block alone.
package struct SecondMoments: Sendable {
  /// Inputs of the layer.
  package let cols: Int
  /// Columns of every block but the last.
  package let blockCols: Int
  /// Tokens that were counted.
  package let tokenCount: Int
  /// The triangles of all blocks.
  package let triangles: [Float]
  /// Means of the inputs, where the triangles are about them: what a bias makes good costs nothing. Else empty, and the
  /// triangles are about 0.
  package private(set) var means: [Float] = []
  /// How far the inputs are from those that the original weights get; nil where they are these.
  package private(set) var drift: InputDrift?

  package init(
    cols: Int, blockCols: Int, tokenCount: Int, triangles: [Float], drift: InputDrift? = nil
  ) {
    precondition(
      triangles.count == Self.valueCount(cols: cols, blockCols: blockCols),
      "the triangles of all blocks")
    self.cols = cols
    self.blockCols = blockCols
    self.tokenCount = tokenCount
    self.triangles = triangles
    self.drift = drift
    precondition(
      drift.map {
        $0.products.count == InputDrift.valueCount(cols: cols, blockCols: blockCols)
          && $0.means.count == cols
      } ?? true, "the products of all blocks")
  }

  package static func blockRanges(cols: Int, blockCols: Int) -> [Range<Int>] {
    precondition(cols > 0 && blockCols > 0, "an input has columns")
    return stride(from: 0, to: cols, by: blockCols).map { $0..<min($0 + blockCols, cols) }
  }

  /// Values of the triangles of all blocks.
  package static func valueCount(cols: Int, blockCols: Int) -> Int {
    blockRanges(cols: cols, blockCols: blockCols).reduce(0) { $0 + $1.count * ($1.count + 1) / 2 }
  }

  /// The same about the means of the inputs, `E[x xᵀ] - E[x] E[x]ᵀ`.
  package func centred(on means: [Float]) -> SecondMoments {
    precondition(means.count == cols && self.means.isEmpty, "a mean for each input, once")
    var values = triangles
    var next = 0
    for columns in blocks {
      for row in columns {
        for column in columns.lowerBound...row {
          values[next] -= means[row] * means[column]
          // A mean that is far larger than what is about it leaves rounding alone.
          if row == column { values[next] = max(0, values[next]) }
          next += 1
        }
      }
    }
    var moments = SecondMoments(
      cols: cols, blockCols: blockCols, tokenCount: tokenCount, triangles: values,
      drift: drift?.centred(on: means, blocks))
    moments.means = means
    return moments
  }

  /// The same in smaller blocks, each within one of these.
  package func cut(blockCols: Int) -> SecondMoments {
    guard blockCols < self.blockCols else { return self }
    precondition(
      self.blockCols == cols || self.blockCols % blockCols == 0, "blocks within blocks")
    var values: [Float] = []
    values.reserveCapacity(Self.valueCount(cols: cols, blockCols: blockCols))
    for columns in Self.blockRanges(cols: cols, blockCols: blockCols) {
      let (block, first) = columns.lowerBound.quotientAndRemainder(dividingBy: self.blockCols)
      let triangle = triangle(block)
      for row in first..<first + columns.count {
        let start = triangle.startIndex + row * (row + 1) / 2
        values += triangle[start + first...start + row]
      }
    }
    var moments = SecondMoments(
      cols: cols, blockCols: blockCols, tokenCount: tokenCount, triangles: values,
      drift: drift?.cut(cols: cols, from: self.blockCols, to: blockCols))
    moments.means = means
    return moments
  }

  /// Tokens that a column of a block needs: with fewer the products of columns say little.
  private static let tokensPerColumn = 2

  /// Columns of the blocks in which weights of an input are rounded: those that are known, fewer where so many columns
  /// have too few tokens, nil where even 128 have.
  package static func usedBlockCols(tokenCount: Int, cols: Int, blockCols: Int) -> Int? {
    let known = min(blockCols, cols)
    let enough = tokenCount / tokensPerColumn
    if enough >= known { return known }
    // A smaller block lies within one of those that are known.
    return stride(from: 128, to: known, by: 128).filter {
      $0 <= enough && (known == cols || known % $0 == 0)
    }.max()
  }

  /// What weights are rounded by: in blocks that the tokens are enough for, and about the means where a bias makes good
  /// what is wrong on average; nil where the tokens are too few.
  ///
  /// - Parameter means: of the inputs; nil for a layer without a bias.
  package func forRounding(means: [Float]?) -> SecondMoments? {
    guard
      let block = Self.usedBlockCols(tokenCount: tokenCount, cols: cols, blockCols: blockCols)
    else { return nil }
    let moments = cut(blockCols: block)
    return means.map(moments.centred) ?? moments
  }

  /// Whether all are finite numbers: about means that are too large they are not.
  package var isFinite: Bool {
    func isFinite(_ values: [Float]) -> Bool {
      cvar_first_not_finite(values, values.count) == values.count
    }
    return isFinite(triangles) && isFinite(drift?.products ?? [])
  }

  /// The columns of each block.
  package var blocks: [Range<Int>] { Self.blockRanges(cols: cols, blockCols: blockCols) }

  /// The triangle of a block.
  func triangle(_ block: Int) -> ArraySlice<Float> {
    var first = 0
    for (index, range) in blocks.enumerated() {
      let count = range.count * (range.count + 1) / 2
      if index == block { return triangles[first..<first + count] }
      first += count
    }
    preconditionFailure("a block that the input lacks")
  }
}
