import VARSystem
import VQ4Format

/// Threads that read and decode blocks, in the order in which they are asked for. Reading and decoding overlap, because
/// there are more threads than cores.
final class WeightReaders {
  let monitor: Monitor
  let file: VQ4File
  private let shared: Shared
  private var threads: [JoinableThread] = []
  private let readerCount: Int
  private let touching: TouchAhead

  /// Readers for a number of threads that compute.
  static func count(threadCount: Int) -> Int { min(max(2 * threadCount, 2), 16) }

  /// - Parameter isDirect: false reads through the page cache and forgets what was read.
  init(_ file: VQ4File, threadCount: Int, isDirect: Bool) {
    self.file = file
    readerCount = Self.count(threadCount: threadCount)
    shared = Shared(VQ4DirectFile(file, isDirect: isDirect))
    monitor = shared.monitor
    touching = TouchAhead(shared.monitor)
  }

  deinit { stop() }

  /// Returns when no thread reads any more; nothing may be asked for afterwards.
  func stop() {
    touching.stop()
    shared.end()
    for thread in threads { thread.join() }
    threads = []
  }

  /// Memory that the threads take.
  static func memoryBytes(_ file: VQ4File, threadCount: Int) -> Int {
    count(threadCount: threadCount)
      * (VQ4ChunkReader.stagingBytes(file) + VQ4ChunkReader.memoryBytes(file))
  }

  // The rest is called inside `monitor.locked`.

  /// Bytes in the file of what has been read so far.
  var readBytes: Int { shared.readBytes }

  /// Asks for pieces of a block.
  ///
  /// - Parameters:
  ///   - offsets: where each piece goes in the memory of `load`.
  ///   - isUrgent: before what was asked for earlier.
  func read(
    _ pieces: ArraySlice<WeightBlock.Piece>, at offsets: ArraySlice<Int>, _ load: BlockLoad,
    isUrgent: Bool = false
  ) throws(ModelError) {
    try start()
    var targets: [VQ4ChunkTarget] = []
    for (piece, offset) in zip(pieces, offsets) {
      let first = file.chunkRange(piece.tensor, piece.role, piece.chunks.lowerBound).lowerBound
      for chunk in piece.chunks {
        let place = file.chunkRange(piece.tensor, piece.role, chunk).lowerBound - first
        targets.append(
          VQ4ChunkTarget(
            tensor: piece.tensor, role: piece.role, chunk: chunk, offsetBytes: offset + place))
      }
    }
    let batches = VQ4ChunkReader.batches(targets, of: file)
    load.pendingCount += batches.count
    shared.append(batches.map { ($0, load) }, isUrgent: isUrgent)
    touching.append(load)
    monitor.signal()
  }

  /// Returns when a block is in memory.
  ///
  /// - Parameter isCancelled: asked while it waits.
  func wait(for load: BlockLoad, isCancelled: () -> Bool) throws(ModelError) {
    while load.failure == nil, !load.isDone {
      if isCancelled() { throw ModelError.cancelled }
      monitor.wait(milliseconds: 100)
    }
    if let failure = load.failure { throw failure }
  }

  /// Drops what of a block is not read yet, and waits for what is being read.
  func abandon(_ loads: [BlockLoad]) {
    for load in loads { load.isAbandoned = true }
    shared.dropAbandoned()
    while loads.contains(where: { $0.runningCount > 0 }) { monitor.wait() }
  }

  /// Starts the threads when they are first needed.
  private func start() throws(ModelError) {
    try shared.reserve(readerCount: readerCount)
    while threads.count < readerCount {
      let number = threads.count
      guard let thread = JoinableThread({ [shared] in shared.serve(number: number) }) else { break }
      threads.append(thread)
    }
    guard !threads.isEmpty else {
      throw ModelError(.outOfMemory, "the system refused a thread that reads weights")
    }
  }

  /// The queue, shared with the threads.
  private final class Shared: @unchecked Sendable {
    typealias Batch = (targets: ArraySlice<VQ4ChunkTarget>, load: BlockLoad)

    let monitor = Monitor()
    private let direct: VQ4DirectFile
    /// What the threads read into, a place for each in one block: huge pages are larger than a place. Set before the
    /// first thread starts.
    private var staging: AnonymousMemory?
    // Behind the monitor.
    private var queue: [Batch] = []
    private var next = 0
    private var isEnding = false
    private(set) var readBytes = 0

    init(_ direct: VQ4DirectFile) { self.direct = direct }

    func reserve(readerCount: Int) throws(ModelError) {
      guard staging == nil else { return }
      let byteCount = readerCount * VQ4ChunkReader.stagingBytes(direct.file)
      staging = AnonymousMemory(byteCount: byteCount)
      guard staging != nil else {
        throw ModelError(.outOfMemory, "no memory for \(byteCount) bytes that are read")
      }
    }

    func append(_ batches: [Batch], isUrgent: Bool) {
      queue.removeSubrange(..<next)
      next = 0
      queue.insert(contentsOf: batches, at: isUrgent ? 0 : queue.count)
    }

    func dropAbandoned() {
      queue.removeSubrange(..<next)
      next = 0
      queue.removeAll { batch in
        if batch.load.isAbandoned { batch.load.pendingCount -= 1 }
        return batch.load.isAbandoned
      }
    }

    func end() {
      monitor.locked {
        isEnding = true
        monitor.signal()
      }
    }

    /// Reads batches until the end.
    func serve(number: Int) {
      let size = VQ4ChunkReader.stagingBytes(direct.file)
      let place = UnsafeMutableRawBufferPointer(start: staging!.base + number * size, count: size)
      let reader = VQ4ChunkReader(direct, staging: place)
      while let batch = monitor.locked(take) {
        var failure: ModelError?
        do throws(VQ4Error) {
          try reader.read(batch.targets, into: batch.load.base)
        } catch {
          failure = ModelError(.unreadableWeights, "\(error)")
        }
        let bytes = batch.targets.reduce(0) {
          $0 + direct.file.chunkFileRange($1.tensor, $1.role, $1.chunk).count
        }
        monitor.locked {
          readBytes += bytes
          batch.load.runningCount -= 1
          batch.load.pendingCount -= 1
          if batch.load.failure == nil { batch.load.failure = failure }
          monitor.signal()
        }
      }
    }

    private func take() -> Batch? {
      while queue.count == next, !isEnding { monitor.wait() }
      guard !isEnding else { return nil }
      let batch = queue[next]
      next += 1
      batch.load.runningCount += 1
      return batch
    }
  }
}
