import Synchronization
import VARCheckpoint
import VARModels
import VARQuantization
import VQ4Format

/// A weight on its way through the pipeline, cut into the chunks of its codes.
final class WeightJob: @unchecked Sendable {
  /// Index of its row in the plan.
  let rowIndex: Int
  let row: ConversionPlan.Row
  let tensor: CheckpointTensor
  let order: TensorSource.RowOrder
  /// Rows of every chunk but the last.
  let chunkRowCount: Int
  let chunkCount: Int
  /// Whether the writer still stores compressed chunks of this weight.
  let isCompressing = Atomic<Bool>(false)
  private let layout: WeightFormat.Layout
  /// Set once, before any chunk is encoded, by the thread that has the pipeline's lock.
  private(set) var codebook: [Int8]?
  private(set) var compensation: Compensation?
  private var isPrepared: Bool

  init(
    rowIndex: Int, row: ConversionPlan.Row, kind: TensorSpecification.Kind,
    tensor: CheckpointTensor, order: TensorSource.RowOrder
  ) {
    self.rowIndex = rowIndex
    self.row = row
    self.tensor = tensor
    self.order = order
    layout = kind == .table ? .table : .tiles
    let sizes = ChunkSizes(row: row, kind: kind)
    chunkRowCount = sizes.rowCount
    chunkCount = (row.shape[0] + chunkRowCount - 1) / chunkRowCount
    codebook = row.precision == .int4 ? nil : []
    isPrepared = false
  }

  /// Elements of a row as they stand in the checkpoint.
  var sourceCols: Int { order.sourceCols(row.cols) }
  /// Bytes of a row in the checkpoint.
  var sourceRowByteCount: Int { sourceCols * tensor.elementType.byteCount }

  /// Known when the job is prepared.
  var format: WeightFormat? {
    guard isPrepared else { return nil }
    return codebook.map {
      WeightFormat(
        precision: row.precision, layout: layout, rows: row.shape[0], cols: row.cols,
        groupSize: row.groupSize
      ).with(codebook: $0)
    }
  }

  /// What the file says about the tensor.
  func description(codebook: [Int8]) -> VQ4TensorDescription {
    VQ4TensorDescription(
      name: row.name, elementType: row.precision.elementType,
      layout: layout == .table ? .table : .tiles, shape: row.shape, groupSize: row.groupSize
    ).with(codebook: codebook)
  }

  /// - Parameter codebook: nil where there is one already, or none.
  func prepare(codebook: [Int8]?, compensation: Compensation?) {
    if let codebook { self.codebook = codebook }
    self.compensation = compensation
    isPrepared = true
  }

  /// The rows of a chunk.
  func rows(ofChunk index: Int) -> Range<Int> {
    let first = index * chunkRowCount
    return first..<min(first + chunkRowCount, row.shape[0])
  }
}

/// Rows and bytes of a weight's chunks.
struct ChunkSizes {
  /// Rows of a whole chunk of codes.
  let rowCount: Int
  /// Bytes of the streams of these rows.
  let streams: StreamByteCounts

  init(row: ConversionPlan.Row, kind: TensorSpecification.Kind) {
    let layout: WeightFormat.Layout = kind == .table ? .table : .tiles
    let format = WeightFormat(
      precision: row.precision, layout: layout, rows: row.shape[0], cols: row.cols,
      groupSize: row.groupSize)
    let description = VQ4TensorDescription(
      name: row.name, elementType: row.precision.elementType,
      layout: layout == .table ? .table : .tiles, shape: row.shape, groupSize: row.groupSize)
    let unitRowCount = layout == .table ? 1 : WeightFormat.unitRowCount
    rowCount =
      description.chunkByteCount(of: .codes) / description.unitByteCount(of: .codes) * unitRowCount
    streams = format.byteCounts(rowCount: min(rowCount, row.shape[0]))
  }
}

extension Precision {
  /// The same precision in a file.
  package var elementType: VQ4ElementType {
    switch self {
    case .int4: .int4
    case .int8: .int8
    case .f16: .f16
    case .bf16: .bf16
    case .f32: .f32
    }
  }
}
