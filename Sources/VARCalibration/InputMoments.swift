import VARKernels
import VARQuantization
import VARSystem

/// Sums over the inputs of a linear layer, all tokens so far.
final class InputMoments {
  let cols: Int
  let blockCols: Int
  /// Tokens, each counted once.
  private(set) var tokenCount = 0
  /// Sum of the tokens' weights.
  private(set) var weightSum = 0.0
  private(set) var columns: [ColumnSums]
  /// Weighted `sum of x xᵀ`, as `SecondMoments` has it.
  private(set) var triangles: [Float]
  private let blocks: [Range<Int>]

  init(cols: Int, blockCols: Int) {
    self.cols = cols
    self.blockCols = min(blockCols, cols)
    blocks = SecondMoments.blockRanges(cols: cols, blockCols: self.blockCols)
    columns = [ColumnSums](repeating: ColumnSums(), count: cols)
    triangles = [Float](
      repeating: 0, count: SecondMoments.valueCount(cols: cols, blockCols: self.blockCols))
  }

  /// Rows of one call at most: so many are summed in f32 before they are added to all others.
  static let maximumRows = Compute.maximumBlockRows

  /// Adds rows.
  ///
  /// - Parameter weights: what each row counts, at least 0.
  func add(
    _ input: Rows, weights: ArraySlice<Float>, _ pool: ThreadPool, _ instructionSet: InstructionSet
  ) {
    precondition(input.columns == cols && input.count <= Self.maximumRows, "rows of the input")
    precondition(weights.count == input.count, "a weight for each row")
    addSums(input, weights, pool)
    let scaled = ScaledInput(input, weights, pool)
    // A tile is 16 columns of a block; its products with all columns of the block from it on are summed.
    let tiles = blocks.enumerated().flatMap { block, columns in
      stride(from: 0, to: columns.count, by: ScaledInput.tileCols).map { (block: block, first: $0) }
    }
    let starts = blockStarts
    triangles.withUnsafeMutableBufferPointer { triangles in
      let triangles = SharedPointer(triangles.baseAddress!)
      pool.parallel(tiles.count) { range in
        let products = UnsafeMutablePointer<Float>.allocate(
          capacity: blockCols * ScaledInput.tileCols)
        defer { products.deallocate() }
        for tile in tiles[range] {
          let block = blocks[tile.block]
          let first = block.lowerBound + tile.first
          scaled.multiply(
            first..<block.upperBound, by: scaled, from: first, into: products,
            instructionSet.kernels)
          add(
            products, blocks[tile.block].count, tile.first,
            to: triangles.pointer + starts[tile.block])
        }
      }
    }
  }

  private var blockStarts: [Int] {
    var next = 0
    return blocks.map { block in
      defer { next += block.count * (block.count + 1) / 2 }
      return next
    }
  }

  /// Adds `products[row - first][16]` to the rows of a triangle, in the columns from `first` on.
  private func add(
    _ products: UnsafePointer<Float>, _ count: Int, _ first: Int,
    to triangle: UnsafeMutablePointer<Float>
  ) {
    for row in first..<count {
      let target = triangle + row * (row + 1) / 2 + first
      let source = products + (row - first) * ScaledInput.tileCols
      for column in 0..<min(ScaledInput.tileCols, row - first + 1) {
        target[column] += source[column]
      }
    }
  }

  /// Columns that a thread sums at once.
  private static let partCols = 256

  private func addSums(_ input: Rows, _ weights: ArraySlice<Float>, _ pool: ThreadPool) {
    tokenCount += input.count
    for weight in weights { weightSum += Double(weight) }
    let weights = weights.map { Double($0) }
    columns.withUnsafeMutableBufferPointer { columns in
      let columns = SharedColumns(pointer: columns.baseAddress!)
      pool.parallel((cols + Self.partCols - 1) / Self.partCols) { parts in
        for part in parts {
          let range = part * Self.partCols..<min(cols, (part + 1) * Self.partCols)
          for (row, weight) in weights.enumerated() {
            let values = input[row]
            for column in range { columns.pointer[column].add(values[column], weight) }
          }
        }
      }
    }
  }
}

/// Sums over one column.
struct ColumnSums {
  /// Weighted sum of the values.
  var sum = 0.0
  /// Weighted sums of squares and of fourth powers.
  var squares = 0.0
  var fourths = 0.0
  /// The largest magnitude.
  var largest: Float = 0

  @inline(__always) mutating func add(_ value: Float, _ weight: Double) {
    let (number, square) = (Double(value), Double(value) * Double(value))
    sum += weight * number
    squares += weight * square
    fourths += weight * square * square
    largest = max(largest, abs(value))
  }
}

private struct SharedColumns: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ColumnSums>
}
