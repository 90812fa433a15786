import CVARKernels

/// Sixteen rows of a weight side by side: what SIMD lanes run over, as in the kernels.
typealias Lanes = SIMD16<Float>

/// Values of sixteen rows for some columns, `[column][16]`.
final class LaneColumns {
  let base: UnsafeMutablePointer<Lanes>
  let count: Int

  init(_ count: Int) {
    self.count = count
    base = .allocate(capacity: max(1, count))
    base.initialize(repeating: .zero, count: max(1, count))
  }

  deinit { base.deallocate() }

  @inline(__always) subscript(_ column: Int) -> Lanes {
    get { base[column] }
    set { base[column] = newValue }
  }

  func copy(from other: LaneColumns, count: Int) { base.update(from: other.base, count: count) }
}

/// A square matrix of f32, row by row.
struct SquareMatrix {
  let pointer: UnsafePointer<Float>
  let size: Int

  init(_ values: UnsafeBufferPointer<Float>, size: Int) {
    precondition(values.count == size * size, "a square of values")
    pointer = values.baseAddress!
    self.size = size
  }

  /// Values of a row.
  subscript(row: Int) -> UnsafePointer<Float> { pointer + row * size }
}

/// Products of a square matrix with lanes.
struct LaneProduct {
  let kernels: UnsafePointer<cvar_kernels>

  /// `output[i] = sum over j of matrix[rows[i]][columns[j]] * x[j]`, `j` ascending, one fma each.
  func multiply(
    _ matrix: SquareMatrix, rows: Range<Int>, columns: Range<Int>, by x: UnsafePointer<Lanes>,
    into output: UnsafeMutablePointer<Lanes>
  ) {
    var operand = cvar_matrix()
    operand.type = Int32(CVAR_F32.rawValue)
    operand.rows = Int32(CVAR_TILE_ROWS)
    operand.cols = Int32(columns.count)
    operand.codes = UnsafeRawPointer(x)
    let lanes = Int(CVAR_TILE_ROWS)
    output.withMemoryRebound(to: Float.self, capacity: rows.count * lanes) { output in
      kernels.pointee.matmul_float(
        &operand, matrix[rows.lowerBound] + columns.lowerBound, matrix.size, 1, 0,
        Int32(rows.count), nil, output, lanes, 0, 1)
    }
  }
}
