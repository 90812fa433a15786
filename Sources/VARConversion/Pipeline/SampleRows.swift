import VARCheckpoint
import VARQuantization

/// Rows of a weight that its codebook is chosen by.
enum SampleRows {
  /// The rows of `CodebookSample`.
  static func read(_ job: WeightJob) throws(CheckpointError) -> [Float] {
    let (rows, cols) = (job.row.shape[0], job.row.cols)
    let chosen = CodebookSample.rows(of: rows, cols: cols)
    let source = try TensorRows(job.tensor)
    var sample = [Float](repeating: 0, count: chosen.count * cols)
    var scratch = [Float](repeating: 0, count: job.sourceCols)
    var failure: CheckpointError?
    sample.withUnsafeMutableBufferPointer { sample in
      scratch.withUnsafeMutableBufferPointer { scratch in
        do throws(CheckpointError) {
          for (index, row) in chosen.enumerated() {
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
}
