import CVARKernels

/// What a weight is rounded with where its inputs are known: error feedback for each block of them, and a correction
/// for their drift.
///
/// Made once for all weights of one input; it never changes.
package final class Compensation: Sendable {
  let feedback: [ErrorFeedback]
  let steps: CompensationSteps
  /// Columns of the largest block.
  let blockCols: Int
  /// Means of the inputs; empty where no bias makes good what is wrong on average.
  let means: [Float]
  /// nil where no drift of the inputs is known.
  let correction: DriftCorrection?

  /// - Parameters:
  ///   - isForIntegers: false for weights that stay floats: they get the correction and no feedback.
  ///   - parted: does parts of the work; what is made does not depend on it.
  ///   - beforeBlock: called before each block of columns; throws to stop.
  package init(
    _ moments: SecondMoments, isForIntegers: Bool, steps: CompensationSteps = CompensationSteps(),
    parted: PartedWork, beforeBlock: () throws -> Void
  ) rethrows {
    feedback =
      isForIntegers
      ? try moments.blocks.enumerated().map {
        try beforeBlock()
        return ErrorFeedback(columns: $1, triangle: moments.triangle($0), parted)
      } : []
    correction = try DriftCorrection(
      moments, isForIntegers: isForIntegers, parted, beforeBlock: beforeBlock)
    self.steps = steps
    blockCols = moments.blocks[0].count
    means = moments.means
  }

  /// The same on the caller's thread.
  package convenience init(
    _ moments: SecondMoments, isForIntegers: Bool = true,
    steps: CompensationSteps = CompensationSteps()
  ) {
    self.init(
      moments, isForIntegers: isForIntegers, steps: steps, parted: { $1(0..<$0) }, beforeBlock: {})
  }
}

extension Compensation {
  /// Bytes of memory that the compensation of an input takes while it is made, the moments included.
  ///
  /// - Parameter hasDrift: whether the drift of the input is known.
  package static func byteCount(cols: Int, blockCols: Int, hasDrift: Bool) -> Int {
    let counts = SecondMoments.blockRanges(cols: cols, blockCols: blockCols).map(\.count)
    let values = counts.reduce(0) { $0 + $1 * $1 }
    let largest = counts.max() ?? 0
    // Moments and factor of each block in f32, the block at work in f64, and the triangles.
    return values * 8 + largest * largest * 8
      // As they are stored, cut, and about their means.
      + 3 * SecondMoments.valueCount(cols: cols, blockCols: blockCols) * 4
      // Products of the drift as often, the correction, and the block at work: its factor, turned, and the solution.
      + (hasDrift
        ? values * 4 * 4 + largest * largest * 16 + solverByteCount(blockCols: largest) : 0)
  }

  /// Bytes of memory that each further thread takes that makes a correction.
  package static func solverByteCount(blockCols: Int) -> Int {
    SymmetricFactor.panelByteCount(count: blockCols)
  }

  /// Bytes of memory that each thread takes besides, for blocks of so many columns.
  package static func workerByteCount(blockCols: Int, groupSize: Int) -> Int {
    let groups = blockCols / groupSize
    return (12 * blockCols + 4 * groups + groups * groups) * MemoryLayout<Lanes>.stride
  }

  /// The same of what corrects for drift.
  package static func correctorByteCount(cols: Int, blockCols: Int) -> Int {
    (2 * blockCols + cols) * MemoryLayout<Lanes>.stride
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
