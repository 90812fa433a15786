import CVARKernels

/// What a weight is rounded with where its inputs are known: error feedback for each block of them.
///
/// Made once for all weights of one input; it never changes.
package final class Compensation: Sendable {
  let feedback: [ErrorFeedback]
  let steps: CompensationSteps
  /// Columns of the largest block.
  let blockCols: Int
  /// Means of the inputs; empty where no bias makes good what is wrong on average.
  let means: [Float]

  package init(_ moments: SecondMoments, steps: CompensationSteps = CompensationSteps()) {
    feedback = moments.blocks.enumerated().map {
      ErrorFeedback(columns: $1, triangle: moments.triangle($0))
    }
    self.steps = steps
    blockCols = moments.blocks[0].count
    means = moments.means
  }
}

extension Compensation {
  /// Bytes of memory that the compensation of an input takes while it is made, the moments included.
  package static func byteCount(cols: Int, blockCols: Int) -> Int {
    let counts = SecondMoments.blockRanges(cols: cols, blockCols: blockCols).map(\.count)
    let values = counts.reduce(0) { $0 + $1 * $1 }
    let largest = counts.max() ?? 0
    // Moments and factor of each block in f32, the block at work in f64, and the triangles.
    return values * 8 + largest * largest * 8
      // As they are stored, cut, and about their means.
      + 3 * SecondMoments.valueCount(cols: cols, blockCols: blockCols) * 4
  }

  /// Bytes of memory that each thread takes besides, for blocks of so many columns.
  package static func workerByteCount(blockCols: Int, groupSize: Int) -> Int {
    let groups = blockCols / groupSize
    return (12 * blockCols + 4 * groups + groups * groups) * MemoryLayout<Lanes>.stride
  }
}

/// What is done besides a first choice of levels with feedback.
package struct CompensationSteps: Sendable, Equatable {
  /// How often scales are fitted to the levels and the levels chosen anew with these scales.
  package var fitCount = 2
  /// How often all levels are looked at again, before the scales are fitted a last time and after it.
  package var descentCount = 2

  /// Levels with feedback by the scales of the nearest rounding, and nothing else.
  package static let feedbackAlone: CompensationSteps = {
    var steps = CompensationSteps()
    steps.fitCount = 0
    steps.descentCount = 0
    return steps
  }()

  package init() {}
}
