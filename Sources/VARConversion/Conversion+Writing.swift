import VARCheckpoint
import VARKernels
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

extension Conversion {
  /// Writes the file, which appears under its name only when it is complete.
  ///
  /// The same checkpoint and options give the same bytes for every number of threads and every amount of memory, and
  /// however often the work was stopped and taken up again. A conversion that goes on with a stopped one and finds its
  /// own finished file is done.
  /// - Parameters:
  ///   - canaries: gives the attachment of that name, of the file that stands under a path until it has its own name;
  ///     called in the end, where the options ask for canaries.
  ///   - progress: called from this thread, some thousand times.
  ///   - isCancelled: asked after each chunk; true ends the conversion with `interrupted`.
  /// - Throws: besides the errors of `init`, `notEnoughDisk`, `stoppedConversion`, `otherConversion` or `journal`, and
  ///   `VQ4Error` of the output. After a stop, a full disk or a failed read, what is done stays for a later run where
  ///   the options keep progress (`stoppedShare`); after any other error nothing stays.
  package func write(
    to path: String, canaries: ((_ path: String) throws -> [UInt8])? = nil,
    progress: (ConversionProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws -> Result {
    precondition(options.withCanaries == (canaries != nil), "canaries are taken by the caller")
    guard let pool = ThreadPool(threadCount: memory.threadCount) else { throw noThreads }
    let inputs = inputs(of: path)
    let metadata = try Metadata(of: self)
    if options.resumes, !options.overwrite,
      let finished = FinishedConversion(of: self, at: path, metadata),
      try finished.isTheSame(pool, progress: progress, isCancelled: isCancelled)
    {
      return result(of: finished.file, inputs)
    }
    if options.keepsProgress { try Journal.checkPlace(Journal.path(of: path), sparing: inputs) }
    let writer = try VQ4Writer(
      VQ4Output(
        path, overwrite: options.overwrite, isResuming: options.keepsProgress, inputs: inputs),
      layout: options.layout)
    writer.isResumable = options.keepsProgress && !writer.isInPlace
    // A checkpoint that is larger than this process may be should not push everything else out of the memory.
    writer.dropsCache = checkpoint.byteCount > options.memoryByteCount
    let work = ConversionWork(
      conversion: self, writer: writer, path: path, inputs: inputs, canaries: canaries)
    do {
      return try work.run(pool, metadata, progress, isCancelled)
    } catch {
      let isKept = work.end(after: error)
      if let error = error as? ConversionError, error.code == .interrupted, !isKept {
        throw ConversionError(
          .interrupted, path, "stopped; no output was left behind")
      }
      throw error
    }
  }

  /// The files that the conversion reads, but for the output and its own files, where these have such names.
  private func inputs(of path: String) -> Set<FileStatus.Identity> {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return checkpoint.fileIdentities(besides: [name, name + ".partial", Journal.path(of: name)])
  }

  /// What was written by an earlier run, which may have ended before it could remove its journal.
  private func result(of file: VQ4File, _ inputs: Set<FileStatus.Identity>) -> Result {
    if !FileTree.exists(file.path + ".partial") {
      Journal.remove(Journal.path(of: file.path), sparing: inputs)
    }
    return Result(
      fileByteCount: file.byteCount, contentHash: file.contentHash, errors: [],
      resumedElementCount: plan.elementCount, wasFinished: true)
  }

  /// How much of a conversion of this plan a stopped one beside `path` has done, 0...1; nil where there is none.
  package func stoppedShare(of path: String) -> Double? {
    guard let stopped = StoppedConversion(journal: Journal.path(of: path)), stopped.hasWork else {
      return nil
    }
    var done = plan.rows.prefix(stopped.finished.count).reduce(0) { $0 + $1.elementCount }
    if let open = stopped.open, open.rowIndex < plan.rows.count {
      done += plan.rows[open.rowIndex].elementCount(ofChunks: open.chunks.count)
    }
    return min(1, Double(done) / Double(plan.elementCount))
  }

  /// The attachment by which drawings of the model are watched; nil where there is none.
  ///
  /// - Parameter instructionSet: what computes; the result does not depend on it.
  package func previewMap(
    _ pool: ThreadPool, _ instructionSet: InstructionSet = .best,
    isCancelled: () -> Bool = { false }
  ) throws -> [UInt8]? {
    try withoutActuallyEscaping(isCancelled) { isCancelled in
      try PreviewFitting(mapping, configuration)
        .attachment(pool, instructionSet, isCancelled: isCancelled)
    }
  }

  var noThreads: ConversionError {
    ConversionError(
      .notEnoughMemory, "\(memory.threadCount) threads",
      "the system refuses them", remedy: .fewerThreads)
  }
}

/// One run of a conversion, from the first look at what an earlier one left to the finished file.
private final class ConversionWork {
  private let conversion: Conversion
  private let writer: VQ4Writer
  private let path: String
  private let inputs: Set<FileStatus.Identity>
  private let canaries: ((_ path: String) throws -> [UInt8])?
  private var keeper: JournalKeeper?

  private var options: ConversionOptions { conversion.options }
  /// A folder that takes no new file takes no journal either.
  private var keepsProgress: Bool { options.keepsProgress && !writer.isInPlace }
  private var journalPath: String { Journal.path(of: path) }
  /// The journal that is open or was; nil before.
  private var journalIdentity: FileStatus.Identity?

  init(
    conversion: Conversion, writer: VQ4Writer, path: String, inputs: Set<FileStatus.Identity>,
    canaries: ((_ path: String) throws -> [UInt8])?
  ) {
    self.canaries = canaries
    self.conversion = conversion
    self.writer = writer
    self.path = path
    self.inputs = inputs
  }

  func run(
    _ pool: ThreadPool, _ metadata: Metadata, _ progress: (ConversionProgress) -> Void,
    _ isCancelled: () -> Bool
  ) throws -> Conversion.Result {
    let stopped = try openJournal(metadata)
    var run = ConversionRun(
      plan: conversion.plan, writer: writer, keeper: keeper,
      journalItemCount: options.journalItemCount)
    var start = SourceReader.Start()
    if let stopped { start = try run.restore(stopped) } else { try writer.discardRest() }
    for (name, bytes, inPlace) in metadata.attachments {
      try writer.addAttachment(name, bytes, inPlace: inPlace)
    }
    try conversion.disk(attachmentByteCount: metadata.byteCount)
      .check(
        output: path, allocated: writer.allocatedByteCount,
        free: FreeSpace.byteCount(for: path))
    try writeTensors(pool, start, &run, progress, isCancelled)
    try keeper?.finish()
    keeper = nil
    let preview = try previewMap(pool, run.progress, progress, isCancelled)
    let provenance = try Metadata.provenance(
      conversion.checkpoint, conversion.options.calibration, pieces: run.pieces)
    try writer.addAttachment("provenance", provenance)
    if let preview { try writer.addAttachment(PreviewMap.attachmentName, preview, inPlace: true) }
    if let canaries {
      let bytes = try writer.withUnpublished(canaries)
      // They hardly shrink.
      try writer.addAttachment(Conversion.canariesName, bytes, inPlace: true)
    }
    let result = try writer.finish()
    if keepsProgress {
      Journal.remove(journalPath, opened: journalIdentity, sparing: inputs)
    }
    return Conversion.Result(
      fileByteCount: result.fileBytes, contentHash: result.contentHash,
      errors: zip(conversion.plan.rows, run.errors).compactMap { row, error in
        row.precision == .f32 ? nil : error.map { (row.name, row.precision, $0) }
      }, resumedElementCount: run.progress.resumedCount, wasFinished: false)
  }

  /// The map of colours; nil where none is wanted or there is none.
  private func previewMap(
    _ pool: ThreadPool, _ state: ConversionProgress, _ progress: (ConversionProgress) -> Void,
    _ isCancelled: () -> Bool
  ) throws -> [UInt8]? {
    guard conversion.options.withPreviewMap else { return nil }
    var state = state
    state.subject = PreviewMap.attachmentName
    progress(state)
    return try conversion.previewMap(pool, isCancelled: isCancelled)
  }

  private func writeTensors(
    _ pool: ThreadPool, _ start: SourceReader.Start, _ run: inout ConversionRun,
    _ progress: (ConversionProgress) -> Void, _ isCancelled: () -> Bool
  ) throws {
    let reader = SourceReader(conversion, start: start, dropsCache: writer.dropsCache)
    let pipeline = try ConversionPipeline(
      pool: pool, slotCount: conversion.memory.slotCount,
      slotSizes: conversion.memory.slotSizes)
    defer { pipeline.stop() }
    guard pipeline.start(reader) else { throw conversion.noThreads }
    progress(run.progress)
    try run.run(pipeline) { state in
      progress(state)
      if isCancelled() { throw ConversionError(.interrupted, path, "stopped") }
    }
  }

  /// Finds what a stopped conversion left, and opens the journal. Returns what is to be continued.
  private func openJournal(_ metadata: Metadata) throws -> StoppedConversion? {
    guard keepsProgress else { return nil }
    let identity = try ConversionIdentity(of: conversion, attachments: metadata.attachments)
    var stopped = StoppedConversion(journal: journalPath)
    if let found = stopped, found.hasWork, writer.partialByteCount > 0 {
      if try !isContinued(found, identity) { stopped = nil }
    } else {
      stopped = nil
    }
    let journal = try Journal(
      path: journalPath, keeping: stopped?.journalByteCount ?? 0, sparing: inputs)
    journalIdentity = journal.identity
    if stopped == nil { try journal.append([.identity(identity.text)]) }
    guard let keeper = JournalKeeper(writer: writer, journal: journal) else {
      throw conversion.noThreads
    }
    self.keeper = keeper
    return stopped
  }

  /// Whether a stopped conversion goes on; false where it is to be forgotten.
  private func isContinued(
    _ stopped: StoppedConversion, _ identity: ConversionIdentity
  ) throws(ConversionError) -> Bool {
    guard options.resumes else {
      if options.overwrite { return false }
      throw ConversionError(
        .stoppedConversion, path,
        "a stopped conversion stands beside it (\(path).partial)", remedy: .resumeOrStartAnew)
    }
    guard let difference = identity.difference(from: stopped.identity) else { return true }
    if options.overwrite { return false }
    throw ConversionError(
      .otherConversion, path,
      "the stopped conversion beside it cannot go on: \(difference)", remedy: .startAnew)
  }

  /// Lets go of the files. Returns whether work stays for a later run.
  func end(after error: any Error) -> Bool {
    try? keeper?.finish()
    keeper = nil
    let isKept =
      keepsProgress && !writer.isPublished && Self.mayGoOn(after: error)
      && StoppedConversion(journal: journalPath)?.hasWork == true
    writer.isResumable = isKept
    writer.abandon()
    if keepsProgress, !isKept {
      Journal.remove(journalPath, opened: journalIdentity, sparing: inputs)
    }
    return isKept
  }

  /// Whether the same conversion may succeed later, so that its work is worth keeping.
  private static func mayGoOn(after error: any Error) -> Bool {
    switch error {
    case let error as ConversionError: error.code != .notFinite
    case let error as CheckpointError: error.code != .changed && error.code != .notFinite
    default: !(error is QuantizationError)
    }
  }
}
