/// How far the inputs `x_q` of a layer are from those that it has in the original model, `x`: what the layers before it
/// lost when they were rounded.
package struct InputDrift: Sendable {
  /// Mean of `(x - x_q) x_qᵀ`: blocks along the diagonal, as `SecondMoments` has them, but whole ones, row by row.
  package let products: [Float]
  /// Mean of `x - x_q`, for each column.
  package let means: [Float]

  package init(products: [Float], means: [Float]) {
    self.products = products
    self.means = means
  }

  /// Values of the products of all blocks.
  package static func valueCount(cols: Int, blockCols: Int) -> Int {
    SecondMoments.blockRanges(cols: cols, blockCols: blockCols).reduce(0) {
      $0 + $1.count * $1.count
    }
  }

  /// The same about the means of both sides.
  ///
  /// - Parameter inputMeans: those of `x_q`.
  func centred(on inputMeans: [Float], _ blocks: [Range<Int>]) -> InputDrift {
    var values = products
    var next = 0
    for columns in blocks {
      for row in columns {
        for column in columns {
          values[next] -= means[row] * inputMeans[column]
          next += 1
        }
      }
    }
    return InputDrift(products: values, means: means)
  }

  /// The same in smaller blocks, each within one of these.
  func cut(cols: Int, from old: Int, to new: Int) -> InputDrift {
    var values: [Float] = []
    values.reserveCapacity(Self.valueCount(cols: cols, blockCols: new))
    for columns in SecondMoments.blockRanges(cols: cols, blockCols: new) {
      let (block, first) = columns.lowerBound.quotientAndRemainder(dividingBy: old)
      let size = min(old, cols - block * old)
      for row in first..<first + columns.count {
        let start = block * old * old + row * size
        values += products[start + first..<start + first + columns.count]
      }
    }
    return InputDrift(products: values, means: means)
  }

  /// The products of a block, row by row.
  func block(_ index: Int, of blocks: [Range<Int>]) -> ArraySlice<Float> {
    let start = blocks[..<index].reduce(0) { $0 + $1.count * $1.count }
    return products[start..<start + blocks[index].count * blocks[index].count]
  }
}
