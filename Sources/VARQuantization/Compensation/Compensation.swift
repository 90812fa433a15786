import CVARKernels

/// What a weight is rounded with where its inputs are known: error feedback for each block of them.
///
/// Made once for all weights of one input; it never changes.
package final class Compensation: Sendable {
  let feedback: [ErrorFeedback]
  let steps: CompensationSteps
  /// Columns of the largest block.
  let blockCols: Int

  package init(_ moments: SecondMoments, steps: CompensationSteps = CompensationSteps()) {
    feedback = moments.blocks.enumerated().map {
      ErrorFeedback(columns: $1, triangle: moments.triangle($0))
    }
    self.steps = steps
    blockCols = moments.blocks[0].count
  }
}

/// What is done besides feedback.
package struct CompensationSteps: Sendable, Equatable {
  /// Whether scales are fitted to the levels.
  package var fitsScales = true
  /// How often all levels are looked at again.
  package var descentCount = 2

  package init() {}
}
