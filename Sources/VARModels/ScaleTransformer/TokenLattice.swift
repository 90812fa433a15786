import VARKernels

/// The tokens of a scale that the language model reads: all, or every second one of every second row (MODEL 9.6).
///
///     0  .  2  .  4      Read are the tokens 0, 2, 4, 10, 12 and 14 of a grid of 4 x 5. What the network gives for
///     .  .  .  .  .      them is spread over the grid: a token between two of them has their mean, row by row and
///     10 .  12 .  14     then column by column; behind the last one of a column, or of a row, its copy follows.
///     .  .  .  .  .
package struct TokenLattice: Sendable {
  /// The grid of the scale.
  private let grid: GridSize
  /// Places from one token that is read to the next, along both sides: 1 or 2.
  private let step: Int
  /// The tokens that are read.
  private let read: GridSize

  init(_ grid: GridSize, isDense: Bool) {
    self.grid = grid
    step = isDense ? 1 : 2
    read = GridSize(
      height: (grid.height + step - 1) / step, width: (grid.width + step - 1) / step)
  }

  /// How many tokens are read.
  package var tokenCount: Int { read.tokenCount }

  /// The token that is read as number `index`.
  package func token(_ index: Int) -> Int {
    index / read.width * step * grid.width + index % read.width * step
  }

  /// Moves the rows of the tokens that are read to the front, in place.
  ///
  /// - Parameter rows: a row for each token of the scale.
  /// - Returns: the rows in front.
  package func gather(_ rows: Rows) -> Rows {
    precondition(rows.count == grid.tokenCount, "a row for each token")
    if step > 1 {
      // A token never stands before its number, so none is overwritten before it is moved.
      for index in 0..<tokenCount { rows.move(token(index), to: index) }
    }
    return rows[..<tokenCount]
  }

  /// Spreads the rows of the tokens that are read, which stand in front, over all tokens, in place.
  ///
  /// - Parameters:
  ///   - rows: a row for each token of the scale, branch by branch.
  ///   - branchCount: 1 or 2.
  package func spread(_ rows: Rows, branchCount: Int) {
    precondition(rows.count == branchCount * grid.tokenCount, "a row for each token")
    guard step > 1 else { return }
    // From the last row back: none is overwritten before it is moved.
    for branch in (0..<branchCount).reversed() {
      let first = branch * grid.tokenCount
      for index in (0..<tokenCount).reversed() {
        rows.move(branch * tokenCount + index, to: first + token(index))
      }
    }
    for branch in 0..<branchCount {
      fill(rows[branch * grid.tokenCount..<(branch + 1) * grid.tokenCount])
    }
  }

  /// Gives the tokens that are not read the means of those that are.
  private func fill(_ rows: Rows) {
    let (height, width) = (grid.height, grid.width)
    for y in Swift.stride(from: 0, to: height, by: 2) {
      for x in Swift.stride(from: 1, to: width, by: 2) {
        let token = y * width + x
        rows.setMean(token, of: token - 1, x + 1 < width ? token + 1 : token - 1)
      }
    }
    for y in Swift.stride(from: 1, to: height, by: 2) {
      for x in 0..<width {
        let token = y * width + x
        rows.setMean(token, of: token - width, y + 1 < height ? token + width : token - width)
      }
    }
  }
}

extension Rows {
  fileprivate func move(_ source: Int, to target: Int) {
    if source != target { self[target].update(from: self[source], count: columns) }
  }

  fileprivate func setMean(_ target: Int, of first: Int, _ second: Int) {
    let (target, first, second) = (self[target], self[first], self[second])
    for column in 0..<columns { target[column] = (first[column] + second[column]) / 2 }
  }
}
