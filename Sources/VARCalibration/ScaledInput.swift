import CVARKernels
import VARKernels
import VARSystem

/// Rows times the roots of their weights, in both forms that a product of columns with columns takes.
final class ScaledInput: @unchecked Sendable {
  static let tileCols = Int(CVAR_TILE_ROWS)

  private let rowCount: Int
  /// `[column][row]`.
  private let columns: UnsafeMutablePointer<Float>
  /// `[tile of 16 columns][row][16]`: the layout of a matrix whose outputs are the columns. The last one is filled up
  /// with zeros.
  private let tiles: UnsafeMutablePointer<Float>

  init(_ input: Rows, _ weights: ArraySlice<Float>, _ pool: ThreadPool) {
    rowCount = input.count
    let tileCount = (input.columns + Self.tileCols - 1) / Self.tileCols
    columns = .allocate(capacity: input.columns * input.count)
    let tileValues = tileCount * Self.tileCols * input.count
    tiles = UnsafeMutableRawPointer.allocate(
      byteCount: tileValues * MemoryLayout<Float>.stride, alignment: HeapMemory.alignment
    ).bindMemory(to: Float.self, capacity: tileValues)
    let roots = weights.map { $0.squareRoot() }
    pool.parallel(tileCount) { tiles in
      for tile in tiles { fill(tile, input, roots) }
    }
  }

  /// Fills 16 columns in both forms.
  private func fill(_ tile: Int, _ input: Rows, _ roots: [Float]) {
    let first = tile * Self.tileCols
    let count = min(Self.tileCols, input.columns - first)
    for (row, root) in roots.enumerated() {
      let values = input[row] + first
      let lanes = tiles + (tile * rowCount + row) * Self.tileCols
      for lane in 0..<Self.tileCols {
        lanes[lane] = lane < count ? values[lane] * root : 0
        if lane < count { columns[(first + lane) * rowCount + row] = lanes[lane] }
      }
    }
  }

  deinit {
    columns.deallocate()
    tiles.deallocate()
  }

  /// `products[column - columns.lowerBound][16]`: of some columns with 16 columns of another input of as many rows,
  /// rows ascending.
  ///
  /// - Parameter tile: the first of the 16 columns, a multiple of 16.
  func multiply(
    _ columns: Range<Int>, by other: ScaledInput, from tile: Int,
    into products: UnsafeMutablePointer<Float>, _ kernels: UnsafePointer<cvar_kernels>
  ) {
    var matrix = cvar_matrix()
    matrix.type = Int32(CVAR_F32.rawValue)
    matrix.rows = Int32(CVAR_TILE_ROWS)
    matrix.cols = Int32(rowCount)
    matrix.codes = UnsafeRawPointer(other.tiles + tile * rowCount)
    kernels.pointee.matmul_float(
      &matrix, self.columns + columns.lowerBound * rowCount, rowCount, 1, 0, Int32(columns.count),
      nil, products, Self.tileCols, 0, 1)
  }
}

/// Lets threads write to places that no two of them share.
struct SharedPointer: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Float>
  init(_ pointer: UnsafeMutablePointer<Float>) { self.pointer = pointer }
}
