import CVARKernels
import VARQuantization
import VARSystem
import VQ4Format

/// The writer's side of a conversion: puts what the pipeline gives into the file and keeps the journal.
struct ConversionRun {
  private let plan: ConversionPlan
  private let writer: VQ4Writer
  private let keeper: JournalKeeper?
  private let journalItemCount: Int?
  private var itemCount = 0
  private let startTime = MonotonicClock.seconds()
  private var journalTime = MonotonicClock.seconds()
  /// Work that is written but not in the journal.
  private var records: [JournalRecord] = []
  private var group = ""
  private var open: OpenWeight?
  /// Rows of weights by the rows of their biases.
  private let weightsOfBiases: [Int: Int]
  /// By row of the plan; nil for what is not written yet.
  private(set) var errors: [WeightError?]
  /// Hashes of the pieces of the checkpoint's tensors, by name.
  private(set) var pieces: [String: [VQ4Hash]] = [:]
  private(set) var progress: ConversionProgress

  /// The weight that is being written.
  private struct OpenWeight {
    let rowIndex: Int
    let codebook: [Int8]
    let startTime = MonotonicClock.seconds()
    var error = WeightError()
    var chunkCount = 0
    var source: JournalRecord.SourcePieces?
    /// What the journal has of it.
    var journaled = (chunks: 0, scales: 0, superscales: 0)
  }

  init(
    plan: ConversionPlan, writer: VQ4Writer, keeper: JournalKeeper?, journalItemCount: Int?
  ) {
    self.plan = plan
    self.writer = writer
    self.keeper = keeper
    self.journalItemCount = journalItemCount
    errors = [WeightError?](repeating: nil, count: plan.rows.count)
    weightsOfBiases = Dictionary(
      uniqueKeysWithValues: plan.rows.indices.compactMap { index in
        plan.biasIndex(of: plan.rows[index]).map { ($0, index) }
      })
    progress = ConversionProgress(subject: "", doneCount: 0, totalCount: plan.elementCount)
  }

  // MARK: - Taking over

  /// Bytes at the end of what a stopped conversion wrote that are read back, in case a disk lost what it had promised.
  private static let checkedByteCount = 64 << 20

  /// Takes over what a stopped conversion wrote. Returns where the reader goes on.
  mutating func restore(_ stopped: StoppedConversion) throws -> SourceReader.Start {
    var start = SourceReader.Start()
    var rest = stopped.finished.reduce(0) { $0 + $1.state.storedByteCount }
    for (tensor, row) in zip(stopped.finished, plan.rows) {
      try beginGroup(of: row)
      try writer.restoreTensor(
        row.description(codebook: tensor.codebook), tensor.state,
        isChecked: rest <= Self.checkedByteCount)
      rest -= tensor.state.storedByteCount
      errors[start.rowIndex] = tensor.error
      if let source = tensor.source { pieces[source.name] = source.pieces }
      progress.doneCount += row.elementCount
      start.rowIndex += 1
    }
    for source in stopped.sources { pieces[source.name] = source.pieces }
    start.hashedNames = Set(pieces.keys)
    if let tensor = stopped.open, start.rowIndex < plan.rows.count {
      let row = plan.rows[start.rowIndex]
      try beginGroup(of: row)
      try writer.beginTensor(row.description(codebook: tensor.codebook))
      try writer.restoreCodes(tensor.chunks)
      try tensor.scales.withUnsafeBytes { try writer.append(.scales, $0) }
      try tensor.superscales.withUnsafeBytes { try writer.append(.superscales, $0) }
      open = OpenWeight(
        rowIndex: start.rowIndex, codebook: tensor.codebook, error: tensor.error,
        chunkCount: tensor.chunks.count, source: tensor.source,
        journaled: (tensor.chunks.count, tensor.scales.count, tensor.superscales.count))
      start.chunkCount = tensor.chunks.count
      start.codebook = tensor.codebook
      start.pieces = tensor.source?.pieces ?? []
      progress.doneCount += row.elementCount(ofChunks: start.chunkCount)
    }
    try writer.discardRest()
    progress.resumedCount = progress.doneCount
    return start
  }

  // MARK: - Writing

  /// Writes everything that comes, until the end.
  ///
  /// - Parameter advance: called after each item; throws to stop.
  mutating func run(
    _ pipeline: ConversionPipeline, advance: (ConversionProgress) throws -> Void
  ) throws {
    while true {
      let item = pipeline.next()
      switch item.content {
      case .vector(let rowIndex, let values): try write(rowIndex, values)
      case .chunk(let job, let index, let slot):
        defer { pipeline.release(slot) }
        guard let outcome = item.outcome else { preconditionFailure("a chunk comes encoded") }
        try write(job, index, try outcome.get(), item)
      case .digest: take(item)
      case .failure(let error): throw error
      case .end: return
      }
      try keepJournal()
      try advance(progress)
    }
  }

  private mutating func beginGroup(of row: ConversionPlan.Row) throws {
    guard row.group != group else { return }
    group = row.group
    try writer.beginGroup(group)
  }

  private mutating func write(_ rowIndex: Int, _ original: [Float]) throws {
    let row = plan.rows[rowIndex]
    progress.subject = row.name
    let values = corrected(original, rowIndex)
    precondition(values.count == row.elementCount, "a constant has the size of its shape")
    let bad = cvar_first_not_finite(values, values.count)
    guard bad == values.count else {
      throw ConversionError(
        .notFinite, row.name,
        original[bad].isFinite
          ? "element \(bad) becomes no finite number by the calibration; calibrate again"
          : "element \(bad) is not a finite number; the checkpoint is damaged, fetch it again")
    }
    try beginGroup(of: row)
    try writer.beginTensor(row.description(codebook: []))
    try values.withUnsafeBytes { try writer.append(.codes, $0) }
    try end(rowIndex, codebook: [], WeightError(), source: nil)
    progress.doneCount += row.elementCount
  }

  /// A bias with what the outputs of its weight lack on average.
  private func corrected(_ values: [Float], _ rowIndex: Int) -> [Float] {
    guard let weight = weightsOfBiases[rowIndex],
      let shifts = errors[weight]?.outputShifts, shifts.count == values.count
    else { return values }
    return zip(values, shifts).map { $0 + $1 }
  }

  private mutating func write(
    _ job: WeightJob, _ index: Int, _ chunk: EncodedWeightChunk, _ item: PipelineItem
  ) throws {
    progress.subject = job.row.name
    let codebook = job.codebook ?? []
    if index == 0 {
      try beginGroup(of: job.row)
      try writer.beginTensor(job.row.description(codebook: codebook))
      open = OpenWeight(rowIndex: job.rowIndex, codebook: codebook)
    }
    guard var weight = open, weight.rowIndex == job.rowIndex, weight.chunkCount == index else {
      preconditionFailure("chunks come in their order")
    }
    try writer.append(chunk.codes)
    job.isCompressing.store(writer.compressesCodes, ordering: .relaxed)
    if !chunk.scales.isEmpty { try writer.append(.scales, chunk.scales) }
    if !chunk.superscales.isEmpty { try writer.append(.superscales, chunk.superscales) }
    weight.error += chunk.error
    weight.chunkCount += 1
    weight.source = item.source.map {
      JournalRecord.SourcePieces(name: $0.name, pieces: $0.pieces)
    }
    open = weight
    progress.doneCount += job.rows(ofChunk: index).count * job.row.cols
    guard weight.chunkCount == job.chunkCount else { return }
    if let source = weight.source { pieces[source.name] = source.pieces }
    try end(job.rowIndex, codebook: codebook, weight.error, source: weight.source)
    open = nil
  }

  private mutating func end(
    _ rowIndex: Int, codebook: [Int8], _ error: WeightError,
    source: JournalRecord.SourcePieces?
  ) throws {
    try writer.endTensor()
    errors[rowIndex] = error
    guard keeper != nil else { return }
    records.append(
      .finished(
        JournalRecord.FinishedTensor(
          rowIndex: rowIndex, codebook: codebook, error: error, state: writer.lastTensorState,
          source: source)))
  }

  private mutating func take(_ item: PipelineItem) {
    guard let source = item.source else { return }
    progress.subject = "hash of \(source.name)"
    guard source.isComplete else { return }
    pieces[source.name] = source.pieces
    if keeper != nil {
      records.append(
        .source(JournalRecord.SourcePieces(name: source.name, pieces: source.pieces)))
    }
  }

  // MARK: - Journal

  /// Hands over what is not in the journal, if it is time.
  private mutating func keepJournal() throws {
    guard let keeper else { return }
    let time = MonotonicClock.seconds()
    itemCount += 1
    if let journalItemCount {
      guard itemCount % journalItemCount == 0 else { return }
      try keeper.waitUntilIdle()
    } else {
      guard time - journalTime >= min(3, max(0.25, (time - startTime) / 8)) else { return }
    }
    var batch = records
    var reached = (chunks: 0, scales: 0, superscales: 0)
    // A part of a tensor takes its scales along, so that a tensor that ends soon is not worth it.
    let isLong = open.map { $0.startTime <= journalTime || journalItemCount != nil } ?? false
    if let weight = open, isLong, weight.chunkCount > weight.journaled.chunks {
      let record = openRecord(weight)
      reached = (
        weight.chunkCount, weight.journaled.scales + record.scales.count,
        weight.journaled.superscales + record.superscales.count
      )
      batch.append(.open(record))
    }
    guard try batch.isEmpty || keeper.submit(batch) else { return }
    records = []
    if reached.chunks > 0 { open?.journaled = reached }
    journalTime = time
  }

  private func openRecord(_ weight: OpenWeight) -> JournalRecord.OpenTensor {
    JournalRecord.OpenTensor(
      rowIndex: weight.rowIndex, codebook: weight.codebook, error: weight.error,
      firstChunk: weight.journaled.chunks,
      chunks: writer.openChunks(from: weight.journaled.chunks),
      scales: writer.openScales(.scales, from: weight.journaled.scales),
      superscales: writer.openScales(.superscales, from: weight.journaled.superscales),
      source: weight.source)
  }
}

extension ConversionPlan.Row {
  /// What the file says about the tensor.
  func description(codebook: [Int8]) -> VQ4TensorDescription {
    VQ4TensorDescription(
      name: name, elementType: precision.elementType, layout: layout, shape: shape,
      groupSize: groupSize
    ).with(codebook: codebook)
  }

  /// Elements of the first chunks of codes.
  func elementCount(ofChunks count: Int) -> Int {
    let description = description(codebook: [])
    let unitRows = layout == .tiles ? VQ4TensorDescription.tileRows : 1
    let rows =
      description.chunkByteCount(of: .codes) / description.unitByteCount(of: .codes) * unitRows
    return min(count * rows, description.rows) * description.cols
  }
}
