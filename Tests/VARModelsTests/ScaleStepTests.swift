import Testing
import VARModels

/// What a schedule says about each of its scales.
@Suite struct ScaleStepTests {
  private static let schedule = ScaleSchedule(
    scales: [(1, 1), (2, 2), (3, 4)].map { GridSize(height: $0, width: $1) },
    ropeReference: GridSize(height: 64, width: 64))

  @Test(arguments: [1, 2]) func scalesContinueEachOther(branchCount: Int) {
    let steps = Self.schedule.steps(branchCount: branchCount)
    #expect(steps.map(\.index) == [0, 1, 2])
    #expect(steps.map(\.grid) == Self.schedule.scales)
    #expect(steps.map(\.tokenCount) == [1, 4, 12])
    #expect(steps.map(\.cachedTokens) == [0, 1, 5])
    #expect(steps.map(\.visibleTokens) == [1, 5, 17])
    #expect(steps.map(\.rowCount) == [1, 4, 12].map { $0 * branchCount })
    #expect(steps.allSatisfy { $0.ropeReference == Self.schedule.ropeReference })
    #expect((0..<branchCount).map(steps[2].rows) == Array([0..<12, 12..<24].prefix(branchCount)))
  }

  /// Blocks within one branch, over both, and of no row.
  @Test func blocksAreCutByBranches() {
    let step = Self.schedule.steps(branchCount: 2)[2]
    func parts(_ rows: Range<Int>) -> [[Range<Int>]] {
      step.parts(of: rows).map { [$0.branch..<$0.branch + 1, $0.rows, $0.tokens] }
    }
    #expect(parts(3..<8) == [[0..<1, 0..<5, 3..<8]])
    #expect(parts(10..<15) == [[0..<1, 0..<2, 10..<12], [1..<2, 2..<5, 0..<3]])
    #expect(parts(12..<24) == [[1..<2, 0..<12, 0..<12]])
    #expect(parts(4..<4).isEmpty)
  }
}
