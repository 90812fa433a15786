import VARCheckpoint
import VARKernels
import VARQuantization
import VARSystem

/// Compares a stored weight with its rows in the checkpoint, chunk by chunk on all threads.
struct RowComparison: Sendable {
  let weight: StoredWeight
  let tensor: CheckpointTensor
  let order: TensorSource.RowOrder
  let shards: DirectShards

  /// Bytes of the checkpoint that are read at once, unless the rows of one unit have more.
  private static let pieceByteCount = 1 << 20

  func run(_ pool: ThreadPool) throws -> WeightComparison {
    var outcomes = [Result<WeightComparison, any Error>](
      repeating: .success(WeightComparison()), count: weight.chunkCount)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let slots = outcomes.baseAddress!
      pool.parallel(weight.chunkCount) { chunks in
        let worker = Result { try Worker(self) }
        for chunk in chunks {
          slots[chunk] = Result { try worker.get().compare(chunk: chunk) }
        }
      }
    }
    // In the order of the rows, whichever thread was first.
    var total = WeightComparison()
    for outcome in outcomes { total += try outcome.get() }
    return total
  }

  private var sourceRowByteCount: Int {
    order.sourceCols(weight.format.cols) * tensor.elementType.byteCount
  }

  /// Rows of the checkpoint that are read at once: whole units.
  private var pieceRowCount: Int {
    let unit = WeightFormat.unitRowCount
    return max(unit, Self.pieceByteCount / sourceRowByteCount / unit * unit)
  }

  /// What one thread needs for its chunks.
  private final class Worker {
    private let comparison: RowComparison
    private let stored: StoredWeight.Reader
    private let original: DirectTensorReader
    private let source: TensorRows
    /// A unit's rows of both sides, and a row of the checkpoint.
    private let originalRows, storedRows, scratch: HeapMemory

    init(_ comparison: RowComparison) throws {
      self.comparison = comparison
      let cols = comparison.weight.format.cols
      let sourceCols = comparison.order.sourceCols(cols)
      stored = try StoredWeight.Reader(comparison.weight)
      original = try DirectTensorReader(
        comparison.tensor, in: comparison.shards,
        byteCount: comparison.pieceRowCount * comparison.sourceRowByteCount)
      source = try TensorRows(comparison.tensor)
      let unitByteCount = WeightFormat.unitRowCount * cols * MemoryLayout<Float>.stride
      originalRows = try HeapMemory.forConversion(unitByteCount)
      storedRows = try HeapMemory.forConversion(unitByteCount)
      scratch = try HeapMemory.forConversion(sourceCols * MemoryLayout<Float>.stride)
    }

    func compare(chunk: Int) throws -> WeightComparison {
      try stored.read(chunk: chunk)
      let rows = comparison.weight.rows(ofChunk: chunk)
      let rowByteCount = comparison.sourceRowByteCount
      var result = WeightComparison()
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: comparison.pieceRowCount)
      {
        let end = min(first + comparison.pieceRowCount, rows.upperBound)
        let bytes = try original.bytes(first * rowByteCount..<end * rowByteCount)
        for unit in stride(from: first, to: end, by: WeightFormat.unitRowCount) {
          try compare(
            unit..<min(unit + WeightFormat.unitRowCount, end),
            bytes.baseAddress! + (unit - first) * rowByteCount, &result)
        }
      }
      return result
    }

    /// Adds the rows of a unit, which stand at `bytes` as the checkpoint has them.
    private func compare(
      _ rows: Range<Int>, _ bytes: UnsafeRawPointer, _ result: inout WeightComparison
    ) throws {
      let count = rows.count * comparison.weight.format.cols
      let original = originalRows.bytes.assumingMemoryBound(to: Float.self)
      let stored = storedRows.bytes.assumingMemoryBound(to: Float.self)
      try comparison.order.convert(
        bytes, ofRows: rows, of: source, into: original.baseAddress!,
        scratch: scratch.bytes.assumingMemoryBound(to: Float.self))
      let before = self.stored.saturatedCount
      self.stored.decode(rows.lowerBound, rows.count, into: stored.baseAddress!)
      result.add(
        UnsafeBufferPointer(rebasing: original[..<count]),
        UnsafeBufferPointer(rebasing: stored[..<count]),
        saturatedCount: self.stored.saturatedCount - before)
    }
  }
}
