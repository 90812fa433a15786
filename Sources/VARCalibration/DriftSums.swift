import VARKernels
import VARQuantization
import VARSystem

/// Sums over how far the inputs of a linear layer have drifted (`InputDrift`), all tokens so far.
final class DriftSums {
  private let blocks: [Range<Int>]
  /// Weighted `sum of (x - x_q) x_qᵀ`.
  private var products: [Float]
  /// Weighted sums of `x - x_q`.
  private var sums: [Double]

  init(cols: Int, blockCols: Int) {
    let blockCols = min(blockCols, cols)
    blocks = SecondMoments.blockRanges(cols: cols, blockCols: blockCols)
    products = [Float](
      repeating: 0, count: InputDrift.valueCount(cols: cols, blockCols: blockCols))
    sums = [Double](repeating: 0, count: cols)
  }

  /// Adds rows, `InputMoments.maximumRows` at most.
  ///
  /// - Parameters:
  ///   - drift: `x - x_q` for each row of the input.
  ///   - weights: what each row counts, at least 0.
  func add(
    _ drift: Rows, of input: Rows, weights: ArraySlice<Float>, _ pool: ThreadPool,
    _ instructionSet: InstructionSet
  ) {
    precondition(drift.hasShape(of: input) && weights.count == input.count, "rows that pair up")
    for (row, weight) in weights.enumerated() {
      let values = drift[row]
      for column in sums.indices { sums[column] += Double(weight) * Double(values[column]) }
    }
    let scaledDrift = ScaledInput(drift, weights, pool)
    let scaledInput = ScaledInput(input, weights, pool)
    var start = 0
    for block in blocks {
      products.withUnsafeMutableBufferPointer { products in
        let target = SharedPointer(products.baseAddress! + start)
        let tileCols = ScaledInput.tileCols
        pool.parallel((block.count + tileCols - 1) / tileCols) { tiles in
          let product = UnsafeMutablePointer<Float>.allocate(capacity: block.count * tileCols)
          defer { product.deallocate() }
          for tile in tiles {
            let first = tile * tileCols
            scaledDrift.multiply(
              block, by: scaledInput, from: block.lowerBound + first, into: product,
              instructionSet.kernels)
            for row in 0..<block.count {
              for column in 0..<min(tileCols, block.count - first) {
                target.pointer[row * block.count + first + column] +=
                  product[row * tileCols + column]
              }
            }
          }
        }
      }
      start += block.count * block.count
    }
  }

  /// The means.
  ///
  /// - Parameter weightSum: of all tokens.
  func drift(weightSum: Double) -> InputDrift {
    let share = weightSum > 0 ? 1 / weightSum : 0
    return InputDrift(
      products: products.map { Float(Double($0) * share) }, means: sums.map { Float($0 * share) })
  }
}
