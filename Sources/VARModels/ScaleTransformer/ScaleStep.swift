/// One scale of a schedule as it is drawn: its tokens, what was drawn before, and the rows that stand for its tokens.
///
/// Rows of both guidance branches go through every layer together (MODEL 9.3). A scale of n tokens has
///
///     rows      0 ..< n        n ..< 2n
///     branch    conditional    unconditional, with guidance alone
package struct ScaleStep: Sendable {
  package let index: Int
  package let grid: GridSize
  /// The grid that normalises rotary positions.
  package let ropeReference: GridSize
  /// Tokens of all earlier scales, which the caches hold.
  package let cachedTokens: Int
  package let branchCount: Int

  package var tokenCount: Int { grid.tokenCount }
  /// Tokens that each token looks at: those of all earlier scales and of its own.
  package var visibleTokens: Int { cachedTokens + tokenCount }
  package var rowCount: Int { branchCount * tokenCount }

  package func rows(ofBranch branch: Int) -> Range<Int> {
    branch * tokenCount..<(branch + 1) * tokenCount
  }

  /// What a block of rows has of each branch, the conditional one first.
  package func parts(of rows: Range<Int>) -> BranchParts { BranchParts(self, rows) }
}

extension ScaleSchedule {
  /// The scales in the order in which they are drawn.
  ///
  /// - Parameters:
  ///   - branchCount: 2 with guidance, 1 without.
  ///   - guidedCount: the scales, coarse to fine, that have both branches; the others have the conditional one alone.
  package func steps(branchCount: Int, guidedCount: Int = .max) -> [ScaleStep] {
    var cachedTokens = 0
    return scales.enumerated().map { index, grid in
      defer { cachedTokens += grid.tokenCount }
      return ScaleStep(
        index: index, grid: grid, ropeReference: ropeReference, cachedTokens: cachedTokens,
        branchCount: index < guidedCount ? branchCount : 1)
    }
  }
}

/// The rows of one branch in a block of rows, which is cut from the rows of both.
package struct BranchPart {
  package let branch: Int
  /// Places in the block.
  package let rows: Range<Int>
  /// Tokens of the scale that the rows stand for.
  package let tokens: Range<Int>
}

/// The parts of a block of rows. A type of its own: a lazy map would allocate in every block.
package struct BranchParts: Sequence, IteratorProtocol {
  private let scale: ScaleStep
  private let block: Range<Int>
  private var branch = 0

  init(_ scale: ScaleStep, _ block: Range<Int>) {
    self.scale = scale
    self.block = block
  }

  package mutating func next() -> BranchPart? {
    while branch < scale.branchCount {
      let rows = scale.rows(ofBranch: branch)
      let own = rows.clamped(to: block)
      defer { branch += 1 }
      guard !own.isEmpty else { continue }
      return BranchPart(
        branch: branch,
        rows: own.lowerBound - block.lowerBound..<own.upperBound - block.lowerBound,
        tokens: own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound)
    }
    return nil
  }
}
