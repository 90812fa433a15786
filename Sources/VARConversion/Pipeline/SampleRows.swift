import CVARKernels
import VARCheckpoint
import VARQuantization

/// Rows of a weight that its codebook is chosen by.
enum SampleRows {
  private static let elementCount = 1 << 17

  /// Some 131,072 elements: rows spread evenly over the weight.
  static func read(_ job: WeightJob) throws(CheckpointError) -> [Float] {
    let (rows, cols) = (job.row.shape[0], job.row.cols)
    let count = max(1, min(rows, elementCount / cols))
    let source = try TensorRows(job.tensor)
    var sample = [Float](repeating: 0, count: count * cols)
    var scratch = [Float](repeating: 0, count: job.sourceCols)
    var failure: CheckpointError?
    sample.withUnsafeMutableBufferPointer { sample in
      scratch.withUnsafeMutableBufferPointer { scratch in
        do throws(CheckpointError) {
          for index in 0..<count {
            let row = index * rows / count
            try job.order.read(
              row..<row + 1, of: source, into: sample.baseAddress! + index * cols,
              scratch: scratch)
          }
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
    return sample
  }

  /// The codebook for these rows.
  static func codebook(of sample: [Float], row: ConversionPlan.Row) -> [Int8] {
    sample.withUnsafeBufferPointer { sample in
      let base = sample.baseAddress!
      // Weights that are not finite are reported with their place when their row is encoded.
      guard cvar_first_not_finite(base, sample.count) == sample.count else {
        return Codebook.scaled(Codebook.gaussian, to: row.codebookRange ?? Codebook.fullRange)
      }
      return Codebook.best(
        for: base, rowCount: sample.count / row.cols, cols: row.cols, groupSize: row.groupSize,
        range: row.codebookRange)
    }
  }
}
