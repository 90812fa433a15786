/// Does independent parts of work: calls a body with ranges that make up `0..<count`, on several threads perhaps.
package typealias PartedWork = (_ count: Int, _ body: (Range<Int>) -> Void) -> Void

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
  ///   - parted: does parts of the work, here and below; the result does not depend on it.
  init(_ square: consuming [Double], count: Int, least: Double, _ parted: PartedWork) {
    var pivots = [Double](repeating: 0, count: count)
    square.withUnsafeMutableBufferPointer { square in
      pivots.withUnsafeMutableBufferPointer {
        Self.factorize(square.baseAddress!, into: $0, least: least, parted)
      }
    }
    values = square
    self.pivots = pivots
  }

  /// From the last row to the first; `F` takes the place of the lower triangle.
  private static func factorize(
    _ a: UnsafeMutablePointer<Double>, into pivots: UnsafeMutableBufferPointer<Double>,
    least: Double, _ parted: PartedWork
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
      let panel = first..<end
      parted(first) { others in
        for other in others {
          for row in panel.reversed() {
            let values = a + row * count
            subtract(
              values, times: pivots[row] * values[other], from: a + other * count, other + 1)
          }
        }
      }
      end = first
    }
  }

  /// `X` of `A X = B`, rounded to f32.
  ///
  /// - Parameter right: `B`, `[count][count]`.
  func solve(_ right: [Float], _ parted: PartedWork) -> [Float] {
    precondition(right.count == count * count, "a square of right-hand sides")
    var result = [Float](repeating: 0, count: count * count)
    result.withUnsafeMutableBufferPointer { result in
      parted((count + Self.panelColumns - 1) / Self.panelColumns) { panels in
        for panel in panels {
          let first = panel * Self.panelColumns
          solve(first..<min(count, first + Self.panelColumns), of: right, into: result)
        }
      }
    }
    return result
  }

  /// Bytes of memory that each thread takes to solve.
  static func panelByteCount(count: Int) -> Int {
    count * panelColumns * MemoryLayout<Double>.stride
  }

  /// Some columns of `X`.
  private func solve(
    _ columns: Range<Int>, of right: [Float], into result: UnsafeMutableBufferPointer<Float>
  ) {
    let width = columns.count
    var panel = [Double](repeating: 0, count: count * width)
    panel.withUnsafeMutableBufferPointer { panel in
      for row in 0..<count {
        for (place, column) in columns.enumerated() {
          panel[row * width + place] = Double(right[row * count + column])
        }
      }
      solve(panel.baseAddress!, width)
      for row in 0..<count {
        for (place, column) in columns.enumerated() {
          result[row * count + column] = Float(panel[row * width + place])
        }
      }
    }
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
