import VARCheckpoint
import VARModels
import VARQuantization
import VQ4Format

/// The memory of a conversion, known before it begins: every large buffer has a size, and nothing grows.
package struct MemoryNeeds: Sendable {
  /// Threads that encode.
  package private(set) var threadCount: Int
  /// Chunks that are in memory at once.
  let slotCount: Int
  let slotSizes: ChunkSlot.Sizes
  /// Bytes that the process takes at most, program and libraries included.
  package private(set) var byteCount: Int
  /// The same with one thread: less cannot be granted.
  package private(set) var minimumByteCount: Int
  /// What is there besides buffers: program, headers, and the writer's tables.
  private let restByteCount: Int

  /// Program, libraries, the checkpoint's tables and the plan.
  private static let programByteCount = 40 << 20
  /// What reading a header takes and may leave behind, as a multiple of its bytes; real ones stand in the program's.
  private static let headerFactor = 12
  private static let usualHeaderByteCount = 1 << 20
  /// What reading a tokenizer takes, as a multiple of its files.
  private static let tokenizerFactor = 12
  /// The compressor's tables, and stack.
  private static let workerByteCount = 3 << 20

  /// - Parameters:
  ///   - tokenizerByteCount: bytes of the tokenizer's files.
  ///   - headerByteCount: bytes of the headers of all shards.
  init(
    rows: [ConversionPlan.Row], entries: [SourceMapping.Entry], tokenizerByteCount: Int,
    headerByteCount: Int, options: ConversionOptions
  ) {
    let (layout, limit) = (options.layout, options.memoryByteCount)
    var slot = ChunkSlot.Sizes()
    var scales = 0
    var vector = 0
    var row = 0
    // What a thread holds of adapters.
    var updates = 0
    // What weights are compensated with, in all and for a thread.
    var compensation = (all: 0, worker: 0)
    // What a thread, and the writer, divide into planes.
    var planes = (codes: 0, scales: 0)
    for (plan, entry) in zip(rows, entries) {
      guard case .rows(let tensor, let order) = entry.source else {
        vector = max(vector, plan.byteCount)
        continue
      }
      let sizes = ChunkSizes(row: plan, kind: entry.specification.kind)
      let sourceCols = order.sourceCols(plan.cols)
      let rowCount = min(sizes.rowCount, plan.shape[0])
      slot.source = max(slot.source, rowCount * sourceCols * tensor.elementType.byteCount)
      slot.codes = max(slot.codes, sizes.streams.codes)
      slot.scales = max(slot.scales, sizes.streams.scales)
      slot.superscales = max(slot.superscales, sizes.streams.superscales)
      if plan.precision == .f16 || plan.precision == .bf16 {
        planes.codes = max(planes.codes, sizes.streams.codes)
      }
      let scaleChunk = max(VQ4Limits.chunkBytes, sizes.streams.scales, sizes.streams.superscales)
      planes.scales = max(
        planes.scales, min(scaleChunk, plan.streamByteCounts.dropFirst().max() ?? 0))
      if plan.isCompensated(by: options.calibration), let calibration = options.calibration {
        // The moments are read as they are stored.
        let block = min(calibration.blockCols, plan.cols)
        let hasDrift = calibration.hasDrift(of: plan.input)
        compensation.all = max(
          compensation.all,
          Compensation.byteCount(cols: plan.cols, blockCols: block, hasDrift: hasDrift))
        let rounder =
          plan.precision.isInteger
          ? Compensation.workerByteCount(blockCols: block, groupSize: plan.groupSize) : 0
        let corrector =
          hasDrift ? Compensation.correctorByteCount(cols: plan.cols, blockCols: block) : 0
        compensation.worker = max(compensation.worker, rounder + corrector)
      }
      let perRow = (sizes.streams.scales + sizes.streams.superscales + rowCount - 1) / rowCount
      scales = max(scales, (plan.shape[0] + WeightFormat.unitRowCount) * perRow)
      row = max(row, sourceCols)
      updates = max(
        updates, TensorRows.byteCount(for: tensor, rowCount: WeightFormat.unitRowCount))
    }
    slot.frame = layout == .map ? 0 : VQ4ChunkEncoder.frameByteCount(ofChunk: slot.codes)
    slotSizes = slot
    if layout == .map { planes = (0, 0) }
    let worker =
      Self.workerByteCount + planes.codes + compensation.worker
      + (2 * WeightFormat.unitRowCount + 8) * row * 4 + updates
    // The writer holds the scales of a weight twice while they go into the journal, some vectors, and two chunks.
    let writer =
      2 * scales + 4 * vector + 2 * (slot.codes + slot.frame) + planes.codes + planes.scales
      + (8 << 20)
    // The reader adds updates to the rows that a codebook is chosen by.
    let fixed =
      Self.programByteCount
      + Self.headerFactor * max(0, headerByteCount - Self.usualHeaderByteCount)
      // The next weight's is made while this one's is in use.
      + 2 * compensation.all + updates + max(writer, Self.tokenizerFactor * tokenizerByteCount)
    func need(_ threads: Int, _ slots: Int) -> Int {
      fixed + threads * worker + slots * slot.total
    }
    restByteCount =
      Self.programByteCount
      + Self.headerFactor * max(0, headerByteCount - Self.usualHeaderByteCount)
      + 4 * tokenizerByteCount + (8 << 20)
    minimumByteCount = need(1, 2)
    var (threads, slots) = (options.threadCount, 2 * options.threadCount + 2)
    while need(threads, slots) > limit, slots > 2 {
      slots -= 1
      threads = min(threads, max(1, slots - 1))
    }
    threadCount = threads
    slotCount = slots
    byteCount = need(threads, slots)
  }

  /// The same with the fit of the preview map, which comes when all buffers for weights are gone.
  ///
  /// - Parameter fitByteCount: what it takes with a number of threads.
  func including(_ fitByteCount: (Int) throws -> Int, limit: Int) rethrows -> MemoryNeeds {
    func need(_ threadCount: Int) throws -> Int { restByteCount + (try fitByteCount(threadCount)) }
    var needs = self
    while needs.threadCount > 1, try need(needs.threadCount) > limit { needs.threadCount -= 1 }
    needs.byteCount = max(byteCount, try need(needs.threadCount))
    needs.minimumByteCount = max(minimumByteCount, try need(1))
    return needs
  }
}
