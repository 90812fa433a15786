import Synchronization
import VARCheckpoint
import VARQuantization
import VARSystem
import VQ4Format

/// Reads the checkpoint from the first byte that is needed to the last: in the order of the file that is written, then
/// what only its hash is wanted of.
final class SourceReader: @unchecked Sendable {
  /// Where to go on after an earlier run.
  struct Start {
    /// Index of the first row of the plan that is not finished.
    var rowIndex = 0
    /// Chunks of this row that are written, its codebook, and the hashes of its source's complete pieces.
    var chunkCount = 0
    var codebook: [Int8] = []
    var pieces: [VQ4Hash] = []
    /// Tensors of the checkpoint whose hash is known.
    var hashedNames: Set<String> = []
  }

  private let checkpoint: Checkpoint
  private let entries: [SourceMapping.Entry]
  private let plan: ConversionPlan
  private var rows: [ConversionPlan.Row] { plan.rows }
  private let start: Start
  private let calibration: CalibrationFile?
  /// Whether chunks of codes are compressed at first.
  private let isCompressing: Bool
  /// Whether what is read need not stay in the system's memory.
  private let dropsCache: Bool
  private var hashedNames: Set<String>

  private static let prefetchByteCount = 16 << 20
  private static let hashedPieceByteCount = 4 << 20

  init(_ conversion: Conversion, start: Start, dropsCache: Bool) {
    checkpoint = conversion.checkpoint
    entries = conversion.mapping.entries
    plan = conversion.plan
    calibration = conversion.options.calibration
    self.start = start
    isCompressing = conversion.options.layout != .map
    self.dropsCache = dropsCache
    hashedNames = start.hashedNames
  }

  /// Reads everything; ends early when the pipeline is stopped.
  func run(into pipeline: ConversionPipeline) {
    defer { pipeline.close() }
    do {
      guard try readRows(pipeline), try readRest(pipeline) else { return }
      for shard in checkpoint.shards { try shard.checkUnchanged() }
      _ = pipeline.push(PipelineItem(.end))
    } catch {
      _ = pipeline.push(PipelineItem(.failure(error)))
    }
  }

  private func readRows(_ pipeline: ConversionPipeline) throws -> Bool {
    var job = try prepare(start.rowIndex, pipeline)
    for index in start.rowIndex..<max(start.rowIndex, rows.count) {
      let current = job
      // The next weight's codebook is found while this one is encoded.
      job = try prepare(index + 1, pipeline)
      if let current {
        guard try read(current, pipeline) else { return false }
      } else if case .values(let values) = entries[index].source {
        let item = PipelineItem(.vector(rowIndex: index, values: try values()))
        guard pipeline.push(item) else { return false }
      }
    }
    return true
  }

  /// The job of a weight, its codebook on the way; nil for vectors and behind the last row.
  private func prepare(_ index: Int, _ pipeline: ConversionPipeline) throws -> WeightJob? {
    guard index < rows.count, case .rows(let tensor, let order) = entries[index].source else {
      return nil
    }
    let job = WeightJob(
      rowIndex: index, row: rows[index], kind: entries[index].specification.kind, tensor: tensor,
      order: order)
    job.isCompressing.store(isCompressing, ordering: .relaxed)
    let isResumed = index == start.rowIndex && start.chunkCount > 0
    let sample = job.codebook == nil && !isResumed ? try SampleRows.read(job) : nil
    let moments = try moments(rows[index])
    if sample == nil, moments == nil {
      job.prepare(codebook: isResumed ? start.codebook : nil, compensation: nil)
    } else {
      pipeline.prepare(
        JobPreparation(
          job: job, codebook: isResumed ? start.codebook : nil, sample: sample, moments: moments))
    }
    return job
  }

  /// What is known of the inputs of a weight that is to be compensated.
  private func moments(_ row: ConversionPlan.Row) throws -> SecondMoments? {
    guard row.isCompensated(by: calibration) else { return nil }
    return try calibration?.moments(
      of: row.input, cols: row.cols, hasBias: plan.biasIndex(of: row) != nil)
  }

  private func read(_ job: WeightJob, _ pipeline: ConversionPipeline) throws -> Bool {
    let isResumed = job.rowIndex == start.rowIndex
    let firstChunk = isResumed ? start.chunkCount : 0
    var digest = try SourceDigest(pieces: isResumed ? start.pieces : [])
    let firstByte = job.rows(ofChunk: firstChunk).lowerBound * job.sourceRowByteCount
    guard try hash(job.tensor, digest.completeByteCount..<firstByte, &digest, pipeline) else {
      return false
    }
    for index in firstChunk..<job.chunkCount {
      guard let slot = pipeline.takeSlot() else { return false }
      let rows = job.rows(ofChunk: index)
      let offset = rows.lowerBound * job.sourceRowByteCount
      let bytes = UnsafeMutableRawBufferPointer(
        rebasing: slot.source[..<(rows.count * job.sourceRowByteCount)])
      try readPart(job.tensor, from: offset, into: bytes)
      try digest.update(UnsafeRawBufferPointer(bytes))
      let isLast = index == job.chunkCount - 1
      if isLast {
        try digest.finish()
        hashedNames.insert(job.tensor.name)
        try job.tensor.checkUnchanged()
      }
      let item = PipelineItem(
        .chunk(job, index: index, slot: slot), source: (job.tensor.name, digest.pieces, isLast))
      guard pipeline.push(item) else { return false }
    }
    return true
  }

  /// Folded and dropped tensors, norms and biases.
  private func readRest(_ pipeline: ConversionPipeline) throws -> Bool {
    for shard in checkpoint.shards {
      for tensor in shard.tensors where !hashedNames.contains(tensor.name) {
        var digest = try SourceDigest()
        guard try hash(tensor, 0..<tensor.byteCount, &digest, pipeline) else { return false }
        try digest.finish()
        let item = PipelineItem(.digest, source: (tensor.name, digest.pieces, true))
        guard pipeline.push(item) else { return false }
      }
    }
    return true
  }

  /// Reads a part of a tensor for its hash alone, and gives the writer a chance to look at the clock.
  private func hash(
    _ tensor: CheckpointTensor, _ range: Range<Int>, _ digest: inout SourceDigest,
    _ pipeline: ConversionPipeline
  ) throws -> Bool {
    guard !range.isEmpty else { return true }
    let memory = try HeapMemory.forConversion(min(range.count, Self.hashedPieceByteCount))
    defer { withExtendedLifetime(memory) {} }
    let buffer = memory.bytes
    for first in stride(from: range.lowerBound, to: range.upperBound, by: buffer.count) {
      let bytes = UnsafeMutableRawBufferPointer(
        rebasing: buffer[..<min(buffer.count, range.upperBound - first)])
      try readPart(tensor, from: first, into: bytes)
      try digest.update(UnsafeRawBufferPointer(bytes))
      let source = (name: tensor.name, pieces: digest.pieces, isComplete: false)
      guard pipeline.push(PipelineItem(.digest, source: source)) else { return false }
    }
    return true
  }

  private func readPart(
    _ tensor: CheckpointTensor, from first: Int, into bytes: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    tensor.prefetchBytes(from: first + bytes.count, count: Self.prefetchByteCount)
    try tensor.readBytes(from: first, into: bytes)
    if dropsCache { tensor.discardBytes(from: first, count: bytes.count) }
  }
}
