import VARKernels

/// Sums of least squares: which colour the picture decoder gives a token on average, linear in the codes of the token
/// and of those around it.
///
/// All sums are in f64 and in a fixed order, so that the map depends on codes and pictures alone.
package struct PreviewFit {
  private let codebookDim: Int
  /// Of the codes and a constant 1, and of these with red, green and blue.
  private var squares: [Double]
  private var products: [Double]
  private var tokenCount = 0

  private let size: Int

  /// How much a weight counts beside what it explains, relative to the mean square of a code: keeps weights small whose
  /// codes say nothing.
  private static let damping = 1e-2

  package init(codebookDim: Int) {
    self.codebookDim = codebookDim
    size = PreviewMap.weightCount(codebookDim: codebookDim)
    squares = [Double](repeating: 0, count: size * size)
    products = [Double](repeating: 0, count: size * 3)
  }

  /// Adds the tokens of a picture.
  ///
  /// - Parameters:
  ///   - codes: a row for each token.
  ///   - colours: what the decoder gives them on average, `[tokens, 3]` within -1...1.
  package mutating func add(codes: Rows, grid: GridSize, colours: [Double]) {
    precondition(codes.columns == codebookDim && colours.count == 3 * codes.count, "of one grid")
    var row = [Double](repeating: 1, count: size)
    for token in 0..<codes.count {
      for (place, neighbour) in grid.neighbours(of: token).enumerated() {
        let code = codes[neighbour]
        for bit in 0..<codebookDim { row[place * codebookDim + bit] = Double(code[bit]) }
      }
      add(row, colours[(token * 3)..<(token * 3 + 3)])
    }
    tokenCount += codes.count
  }

  private mutating func add(_ row: [Double], _ colour: ArraySlice<Double>) {
    let size = size
    squares.withUnsafeMutableBufferPointer { squares in
      for first in 0..<size {
        let (value, start) = (row[first], first * size)
        for second in 0...first { squares[start + second] += value * row[second] }
      }
    }
    for first in 0..<size {
      for (channel, value) in colour.enumerated() {
        products[first * 3 + channel] += row[first] * value
      }
    }
  }

  /// The best map; nil where there is none that is of any use.
  package func map() -> PreviewMap? {
    guard tokenCount > 0, let factor = factor() else { return nil }
    var weights = [Float](repeating: 0, count: 3 * size)
    for channel in 0..<3 {
      let solution = solve(factor, channel)
      for index in 0..<size { weights[channel * size + index] = Float(solution[index]) }
    }
    return PreviewMap(codebookDim: codebookDim, weights: weights)
  }

  /// Cholesky's factor of the damped squares; nil where they have none.
  private func factor() -> [Double]? {
    var factor = squares
    let trace = (0..<size - 1).reduce(0) { $0 + squares[$1 * size + $1] }
    let damping = Self.damping * trace / Double(size - 1) + 1e-12 * Double(tokenCount)
    for index in 0..<size - 1 { factor[index * size + index] += damping }
    for column in 0..<size {
      for row in column..<size {
        var sum = factor[row * size + column]
        for index in 0..<column {
          sum -= factor[row * size + index] * factor[column * size + index]
        }
        if row == column {
          guard sum > 0 else { return nil }
          factor[row * size + column] = sum.squareRoot()
        } else {
          factor[row * size + column] = sum / factor[column * size + column]
        }
      }
    }
    return factor
  }

  private func solve(_ factor: [Double], _ channel: Int) -> [Double] {
    var values = (0..<size).map { products[$0 * 3 + channel] }
    for row in 0..<size {
      for index in 0..<row { values[row] -= factor[row * size + index] * values[index] }
      values[row] /= factor[row * size + row]
    }
    for row in (0..<size).reversed() {
      for index in row + 1..<size { values[row] -= factor[index * size + row] * values[index] }
      values[row] /= factor[row * size + row]
    }
    return values
  }
}

/// The mean colour of each token's pixels, of a picture that comes row by row.
package struct TokenColours {
  private let grid: GridSize
  private let stride: Int
  private var sums: [Double]

  /// - Parameter stride: pixels of a token along each side.
  package init(grid: GridSize, stride: Int) {
    self.grid = grid
    self.stride = stride
    sums = [Double](repeating: 0, count: grid.tokenCount * 3)
  }

  /// - Parameter values: rows of the picture, each `[width, 3]`.
  package mutating func add(_ rows: Range<Int>, _ values: Rows) {
    for (index, y) in rows.enumerated() {
      let row = values[index]
      let first = y / stride * grid.width
      for x in 0..<grid.width * stride {
        for channel in 0..<3 {
          sums[(first + x / stride) * 3 + channel] += Double(row[x * 3 + channel])
        }
      }
    }
  }

  /// `[tokens, 3]`.
  package var means: [Double] {
    let count = Double(stride * stride)
    return sums.map { $0 / count }
  }
}
