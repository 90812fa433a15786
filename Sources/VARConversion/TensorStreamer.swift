import CVARKernels
import VARCheckpoint
import VARKernels
import VARModels
import VARQuantization
import VQ4Format

/// Takes weights from the mapped checkpoint through the quantizer to the writer, a block of rows at a time.
final class TensorStreamer {
  private let writer: VQ4Writer
  private let pool: ThreadPool
  /// Elements of a block: enough work for every thread, few enough for the budget.
  private let blockElementCount: Int
  private static let sampleElementCount = 1 << 17

  init(writer: VQ4Writer, pool: ThreadPool, memoryByteCount: Int) {
    self.writer = writer
    self.pool = pool
    // A block's streams take at most 4 bytes an element; the rest of the budget is for scales, scratch and frames.
    blockElementCount = min(8 << 20, memoryByteCount / 16)
  }

  /// Writes one tensor; calls `advance` with the elements done after each block.
  func write(
    _ row: ConversionPlan.Row, _ entry: SourceMapping.Entry, advance: (Int) throws -> Void
  ) throws -> WeightError {
    switch entry.source {
    case .values(let values):
      try writeVector(row, values())
      try advance(row.elementCount)
      return WeightError()
    case .rows(let tensor, let order):
      return try writeRows(row, entry.specification.kind, tensor, order, advance)
    }
  }

  private func writeVector(_ row: ConversionPlan.Row, _ values: [Float]) throws {
    precondition(values.count == row.elementCount, "a constant has the size of its shape")
    let bad = cvar_first_not_finite(values, values.count)
    guard bad == values.count else {
      throw ConversionError(
        .notFinite, row.name,
        "element \(bad) is not a finite number; the checkpoint is damaged, fetch it again")
    }
    try writer.beginTensor(
      VQ4TensorDescription(
        name: row.name, elementType: .f32, layout: .vector, shape: row.shape))
    try values.withUnsafeBytes { try writer.append(.codes, $0) }
    try writer.endTensor()
  }

  private func writeRows(
    _ row: ConversionPlan.Row, _ kind: TensorSpecification.Kind, _ tensor: CheckpointTensor,
    _ order: TensorSource.RowOrder, _ advance: (Int) throws -> Void
  ) throws -> WeightError {
    let layout: WeightFormat.Layout = kind == .table ? .table : .tiles
    let codebook = row.precision == .int4 ? codebook(row, tensor, order) : []
    let format = WeightFormat(
      precision: row.precision, layout: layout, rows: row.shape[0], cols: row.cols,
      groupSize: row.groupSize, codebook: codebook)
    try writer.beginTensor(
      VQ4TensorDescription(
        name: row.name, elementType: row.precision.elementType,
        layout: layout == .table ? .table : .tiles, shape: row.shape, groupSize: row.groupSize,
        codebook: codebook))
    let unit = WeightFormat.unitRowCount
    let blockRows = max(1, blockElementCount / (format.cols * unit)) * unit
    let block = BlockEncoder(
      name: row.name, format: format, tensor: tensor, order: order,
      rowCount: min(blockRows, format.rows))
    let sourceCols = order.sourceCols(format.cols)
    var error = WeightError()
    var first = 0
    while first < format.rows {
      let rowCount = min(blockRows, format.rows - first)
      tensor.prefetch(from: (first + rowCount) * sourceCols, count: blockRows * sourceCols)
      error += try block.encode(firstRow: first, rowCount: rowCount, pool: pool)
      for (role, bytes) in block.streams(rowCount: rowCount) where bytes.count > 0 {
        try writer.append(role, bytes)
      }
      tensor.discard(from: first * sourceCols, count: rowCount * sourceCols)
      first += rowCount
      try advance(rowCount * format.cols)
    }
    try writer.endTensor()
    return error
  }

  /// The codebook for a weight, from rows spread evenly over it.
  private func codebook(
    _ row: ConversionPlan.Row, _ tensor: CheckpointTensor, _ order: TensorSource.RowOrder
  ) -> [Int8] {
    let (rows, cols) = (row.shape[0], row.cols)
    let sampleRows = max(1, min(rows, Self.sampleElementCount / cols))
    var sample = [Float](repeating: 0, count: sampleRows * cols)
    var scratch = [Float](repeating: 0, count: order.sourceCols(cols))
    return sample.withUnsafeMutableBufferPointer { sample in
      scratch.withUnsafeMutableBufferPointer { scratch in
        for index in 0..<sampleRows {
          order.read(
            tensor, firstRow: index * rows / sampleRows, rowCount: 1, cols: cols,
            into: sample.baseAddress! + index * cols, scratch: scratch)
        }
      }
      let base = UnsafePointer(sample.baseAddress!)
      // Weights that are not finite are reported with their place when their row is encoded.
      guard cvar_first_not_finite(base, sample.count) == sample.count else {
        return Codebook.gaussian
      }
      return Codebook.best(
        for: base, rowCount: sampleRows, cols: cols, groupSize: row.groupSize)
    }
  }
}

/// Encodes a block of rows on all threads into buffers that are used for every block of a weight.
private final class BlockEncoder {
  private let name: String
  private let format: WeightFormat
  private let tensor: CheckpointTensor
  private let order: TensorSource.RowOrder
  private let codes: UnsafeMutableRawBufferPointer
  private let scales: UnsafeMutableRawBufferPointer
  private let superscales: UnsafeMutableRawBufferPointer

  init(
    name: String, format: WeightFormat, tensor: CheckpointTensor, order: TensorSource.RowOrder,
    rowCount: Int
  ) {
    self.name = name
    self.format = format
    self.tensor = tensor
    self.order = order
    let counts = format.byteCounts(rowCount: rowCount)
    func allocate(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
    }
    codes = allocate(counts.codes)
    scales = allocate(counts.scales)
    superscales = allocate(counts.superscales)
  }

  deinit {
    codes.deallocate()
    scales.deallocate()
    superscales.deallocate()
  }

  /// Encodes rows from `firstRow` on; the error is summed in the order of the rows.
  func encode(firstRow: Int, rowCount: Int, pool: ThreadPool) throws -> WeightError {
    let unit = WeightFormat.unitRowCount
    let unitCount = (rowCount + unit - 1) / unit
    var outcomes = [Result<WeightError, QuantizationError>](
      repeating: .success(WeightError()), count: unitCount)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let slots = outcomes.baseAddress!
      pool.parallel(unitCount) { units in
        self.encode(units, firstRow: firstRow, rowCount: rowCount, into: slots)
      }
    }
    var total = WeightError()
    for outcome in outcomes { total += try outcome.get() }
    return total
  }

  private func encode(
    _ units: Range<Int>, firstRow: Int, rowCount: Int,
    into slots: UnsafeMutablePointer<Result<WeightError, QuantizationError>>
  ) {
    let unit = WeightFormat.unitRowCount
    let encoder = WeightEncoder(format: format)
    var x = [Float](repeating: 0, count: unit * format.cols)
    var scratch = [Float](repeating: 0, count: order.sourceCols(format.cols))
    for index in units {
      let first = index * unit
      let count = min(unit, rowCount - first)
      let start = format.byteCounts(rowCount: first)
      let output = WeightEncoder.Output(
        codes: codes.baseAddress! + start.codes, scales: scales.baseAddress! + start.scales,
        superscales: superscales.baseAddress! + start.superscales)
      x.withUnsafeMutableBufferPointer { x in
        scratch.withUnsafeMutableBufferPointer {
          order.read(
            tensor, firstRow: firstRow + first, rowCount: count, cols: format.cols,
            into: x.baseAddress!, scratch: $0)
        }
        slots[index] = Result { () throws(QuantizationError) in
          try encoder.encode(
            x.baseAddress!, rowCount: count, into: output, name: name, firstRow: firstRow + first)
        }
      }
    }
  }

  /// The streams of the rows encoded last.
  func streams(rowCount: Int) -> [(VQ4StreamRole, UnsafeRawBufferPointer)] {
    let counts = format.byteCounts(rowCount: rowCount)
    return [
      (.codes, UnsafeRawBufferPointer(rebasing: codes[..<counts.codes])),
      (.scales, UnsafeRawBufferPointer(rebasing: scales[..<counts.scales])),
      (.superscales, UnsafeRawBufferPointer(rebasing: superscales[..<counts.superscales])),
    ]
  }
}

extension Precision {
  /// The same precision in a file.
  var elementType: VQ4ElementType {
    switch self {
    case .int4: .int4
    case .int8: .int8
    case .f16: .f16
    case .bf16: .bf16
    case .f32: .f32
    }
  }
}
