import VARCheckpoint
import VARQuantization
import VQ4Format

/// Encodes chunks; one per thread.
final class ChunkWorker {
  private let compressor = VQ4ChunkEncoder()
  /// What the weight that is at hand needs.
  private var current: (rowIndex: Int, encoder: WeightEncoder, rows: TensorRows)?
  private var x: [Float] = []
  private var scratch: [Float] = []

  /// Encodes the rows in the slot. All errors name the first row at fault.
  func encode(
    _ job: WeightJob, _ format: WeightFormat, chunk index: Int, in slot: ChunkSlot
  ) throws -> EncodedWeightChunk {
    let rows = job.rows(ofChunk: index)
    let error = try encodeRows(job, format, rows, slot)
    let counts = format.byteCounts(rowCount: rows.count)
    func part(_ buffer: UnsafeMutableRawBufferPointer, _ count: Int) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    }
    let offset = format.byteCounts(rowCount: rows.lowerBound).codes
    let codes = try compressor.encode(
      codes: part(slot.codes, counts.codes), of: job.description(codebook: format.codebook),
      at: offset, into: job.isCompressing.load(ordering: .relaxed) ? slot.frame : nil)
    return EncodedWeightChunk(
      codes: codes, scales: part(slot.scales, counts.scales),
      superscales: part(slot.superscales, counts.superscales), error: error)
  }

  private func encodeRows(
    _ job: WeightJob, _ format: WeightFormat, _ rows: Range<Int>, _ slot: ChunkSlot
  ) throws -> WeightError {
    if current?.rowIndex != job.rowIndex {
      // The rows of one weight go before those of the next are there.
      current = nil
      current = (
        job.rowIndex, WeightEncoder(format: format, compensation: job.compensation),
        try TensorRows(job.tensor)
      )
      let unitCount = WeightFormat.unitRowCount * format.cols
      if x.count < unitCount { x = [Float](repeating: 0, count: unitCount) }
      if scratch.count < job.sourceCols { scratch = [Float](repeating: 0, count: job.sourceCols) }
    }
    guard let (_, encoder, source) = current else { return WeightError() }
    var total = WeightError()
    for first in stride(from: 0, to: rows.count, by: WeightFormat.unitRowCount) {
      let count = min(WeightFormat.unitRowCount, rows.count - first)
      let start = format.byteCounts(rowCount: first)
      let output = WeightEncoder.Output(
        codes: slot.codes.baseAddress! + start.codes,
        scales: slot.scales.baseAddress! + start.scales,
        superscales: slot.superscales.baseAddress! + start.superscales)
      try x.withUnsafeMutableBufferPointer { x in
        try scratch.withUnsafeMutableBufferPointer { scratch in
          try job.order.convert(
            slot.source.baseAddress! + first * job.sourceRowByteCount,
            ofRows: rows.lowerBound + first..<rows.lowerBound + first + count, of: source,
            into: x.baseAddress!, scratch: scratch)
        }
      }
      let result = x.withUnsafeBufferPointer { x in
        Result { () throws(QuantizationError) in
          try encoder.encode(
            x.baseAddress!, rowCount: count, into: output, name: job.row.name,
            firstRow: rows.lowerBound + first)
        }
      }
      total += try result.get()
    }
    return total
  }
}
