import Testing
import VARKernels
import VARModels

/// Tokens that the language model reads, and what stands between them.
@Suite struct TokenLatticeTests {
  private static let grids = [
    (1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (4, 5), (5, 4), (1, 7), (6, 6),
  ]

  private func step(_ grid: GridSize, isDense: Bool) -> ScaleStep {
    ScaleSchedule(scales: [grid, grid], ropeReference: grid).steps(
      branchCount: 2, ScaleShortcuts(guidedCount: .max, denseCount: isDense ? 2 : 1))[1]
  }

  @Test(arguments: grids) func everySecondTokenOfEverySecondRowIsRead(
    height: Int, width: Int
  ) {
    let grid = GridSize(height: height, width: width)
    let sparse = step(grid, isDense: false)
    let expected = (0..<grid.tokenCount).filter { $0 / width % 2 == 0 && $0 % width % 2 == 0 }
    #expect((0..<sparse.readTokenCount).map(sparse.lattice.token) == expected)
    #expect(sparse.readRowCount == 2 * expected.count && sparse.rowCount == 2 * grid.tokenCount)
    // The scale before it was read in full.
    #expect(sparse.cachedReadTokens == grid.tokenCount)
    let dense = step(grid, isDense: true)
    #expect((0..<dense.readTokenCount).map(dense.lattice.token) == Array(0..<grid.tokenCount))
  }

  @Test(arguments: grids) func gatheredAndSpreadTokensAreMeansOfTheirNeighbours(
    height: Int, width: Int
  ) {
    let grid = GridSize(height: height, width: width)
    let scale = step(grid, isDense: false)
    let (columns, count) = (3, grid.tokenCount)
    // Both branches, each with numbers of its own.
    let values = (0..<2 * count * columns).map { Float($0 * 7919 % 1009) / 8 }
    func value(_ branch: Int, _ y: Int, _ x: Int, _ column: Int) -> Float {
      values[(branch * count + y * width + x) * columns + column]
    }
    /// The value at a place, from the tokens that are read alone.
    func expected(_ branch: Int, _ y: Int, _ x: Int, _ column: Int) -> Float {
      if y % 2 == 1 {
        let below = y + 1 < height ? y + 1 : y - 1
        return (expected(branch, y - 1, x, column) + expected(branch, below, x, column)) / 2
      }
      if x % 2 == 1 {
        let right = x + 1 < width ? x + 1 : x - 1
        return (value(branch, y, x - 1, column) + value(branch, y, right, column)) / 2
      }
      return value(branch, y, x, column)
    }
    var memory = values
    memory.withMutableRows(columns: columns) { rows in
      let first = scale.lattice.gather(rows[..<count])
      let second = scale.lattice.gather(rows[count..<2 * count])
      rows[first.count..<2 * first.count].copy(from: second)
      scale.lattice.spread(rows, branchCount: 2)
    }
    let all = (0..<2).flatMap { branch in
      (0..<height).flatMap { y in
        (0..<width).flatMap { x in (0..<columns).map { expected(branch, y, x, $0) } }
      }
    }
    #expect(memory == all)
  }

  @Test func aDenseScaleIsLeftAsItIs() {
    let scale = step(GridSize(height: 3, width: 4), isDense: true)
    let values = (0..<24 * 2).map(Float.init)
    var memory = values
    memory.withMutableRows(columns: 2) { rows in
      #expect(scale.lattice.gather(rows[..<12]).count == 12)
      scale.lattice.spread(rows, branchCount: 2)
    }
    #expect(memory == values)
  }
}
