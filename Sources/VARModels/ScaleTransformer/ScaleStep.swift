/// One scale of a schedule as it is drawn: its tokens, what was drawn before, and the rows that stand for its tokens.
///
/// Rows of both guidance branches go through every layer together (MODEL 9.3). A scale of n tokens has
///
///     rows      0 ..< n        n ..< 2n
///     branch    conditional    unconditional, with guidance alone
///
/// in the generator. In the language model n is the number of tokens that this one reads.
package struct ScaleStep: Sendable {
  package let index: Int
  package let grid: GridSize
  /// The grid that normalises rotary positions.
  package let ropeReference: GridSize
  /// Tokens of all earlier scales, which the generator's caches hold.
  package let cachedTokens: Int
  /// Those of them that the language model has read, which its cache holds.
  package let cachedReadTokens: Int
  package let branchCount: Int
  /// The tokens that the language model reads.
  package let lattice: TokenLattice

  package var tokenCount: Int { grid.tokenCount }
  /// Tokens that each token looks at: those of all earlier scales and of its own.
  package var visibleTokens: Int { cachedTokens + tokenCount }
  package var rowCount: Int { branchCount * tokenCount }
  package var readTokenCount: Int { lattice.tokenCount }
  package var readRowCount: Int { branchCount * readTokenCount }

  package func rows(ofBranch branch: Int) -> Range<Int> {
    branch * tokenCount..<(branch + 1) * tokenCount
  }

  package func readRows(ofBranch branch: Int) -> Range<Int> {
    branch * readTokenCount..<(branch + 1) * readTokenCount
  }

  /// What a block of rows has of each branch, the conditional one first.
  package func parts(of rows: Range<Int>) -> BranchParts { BranchParts(self, rows) }
}

extension ScaleSchedule {
  /// The scales in the order in which they are drawn.
  ///
  /// - Parameter branchCount: 2 with guidance, 1 without.
  package func steps(branchCount: Int, _ shortcuts: ScaleShortcuts = .none) -> [ScaleStep] {
    var (cachedTokens, cachedReadTokens) = (0, 0)
    return scales.enumerated().map { index, grid in
      let lattice = TokenLattice(grid, isDense: index < shortcuts.denseCount)
      defer {
        cachedTokens += grid.tokenCount
        cachedReadTokens += lattice.tokenCount
      }
      return ScaleStep(
        index: index, grid: grid, ropeReference: ropeReference, cachedTokens: cachedTokens,
        cachedReadTokens: cachedReadTokens,
        branchCount: index < shortcuts.guidedCount ? branchCount : 1, lattice: lattice)
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
