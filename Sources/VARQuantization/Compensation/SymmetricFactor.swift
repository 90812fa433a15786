/// A symmetric positive matrix in f64 as `Fᵀ D F`, with a unit lower triangle `F` and a diagonal `D`.
struct SymmetricFactor {
  /// `F` row by row, `[count][count]`; what is on the diagonal and above it means nothing.
  let values: [Double]
  private let pivots: [Double]
  private var count: Int { pivots.count }

  /// Rows that are eliminated together, so that the rest passes the cache once for all of them.
  private static let panelRows = 32
  /// Right-hand sides that are solved together.
  private static let panelColumns = 64

  /// - Parameters:
  ///   - square: the matrix, `[count][count]`; its lower triangle is read, and `F` takes its memory.
  ///   - least: of pivots; what is added to the diagonal keeps them above.
  init(_ square: consuming [Double], count: Int, least: Double) {
    var pivots = [Double](repeating: 0, count: count)
    square.withUnsafeMutableBufferPointer { square in
      pivots.withUnsafeMutableBufferPointer {
        Self.factorize(square.baseAddress!, into: $0, least: least)
      }
    }
    values = square
    self.pivots = pivots
  }

  /// From the last row to the first; `F` takes the place of the lower triangle.
  private static func factorize(
    _ a: UnsafeMutablePointer<Double>, into pivots: UnsafeMutableBufferPointer<Double>,
    least: Double
  ) {
    let count = pivots.count
    var end = count
    while end > 0 {
      let first = max(0, end - panelRows)
      for row in (first..<end).reversed() {
        let values = a + row * count
        // What the rows after it have taken away already leaves a positive rest but for rounding.
        let pivot = max(values[row], least)
        pivots[row] = pivot
        for column in 0..<row { values[column] /= pivot }
        // The rows of the panel go on at once, those before it when the panel is done.
        for other in first..<row {
          subtract(values, times: pivot * values[other], from: a + other * count, other + 1)
        }
      }
      for other in 0..<first {
        for row in (first..<end).reversed() {
          let values = a + row * count
          subtract(
            values, times: pivots[row] * values[other], from: a + other * count, other + 1)
        }
      }
      end = first
    }
  }

  /// `X` of `A X = B`, rounded to f32.
  ///
  /// - Parameter right: `B`, `[count][count]`.
  func solve(_ right: [Float]) -> [Float] {
    precondition(right.count == count * count, "a square of right-hand sides")
    var result = [Float](repeating: 0, count: count * count)
    for first in stride(from: 0, to: count, by: Self.panelColumns) {
      let columns = first..<min(count, first + Self.panelColumns)
      var panel = (0..<count).flatMap { row in columns.map { Double(right[row * count + $0]) } }
      panel.withUnsafeMutableBufferPointer { solve($0.baseAddress!, columns.count) }
      for row in 0..<count {
        for column in columns {
          result[row * count + column] = Float(panel[row * columns.count + column - first])
        }
      }
    }
    return result
  }

  /// - Parameter x: `[count][width]`, the right-hand sides; becomes the solutions.
  private func solve(_ x: UnsafeMutablePointer<Double>, _ width: Int) {
    values.withUnsafeBufferPointer { factor in
      // Fᵀ Y = B, from the last row on.
      for row in (0..<count).reversed() {
        for other in 0..<row {
          Self.subtract(
            x + row * width, times: factor[row * count + other], from: x + other * width, width)
        }
      }
      // F X = D⁻¹ Y
      for row in 0..<count {
        for index in 0..<width { x[row * width + index] /= pivots[row] }
        for other in 0..<row {
          Self.subtract(
            x + other * width, times: factor[row * count + other], from: x + row * width, width)
        }
      }
    }
  }

  /// `y -= x * factor` for the first `count` values.
  @inline(__always) private static func subtract(
    _ x: UnsafePointer<Double>, times factor: Double, from y: UnsafeMutablePointer<Double>,
    _ count: Int
  ) {
    for index in 0..<count { y[index] -= x[index] * factor }
  }
}
