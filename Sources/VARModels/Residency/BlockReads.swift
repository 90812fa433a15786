import VARSystem
import VQ4Format

/// Blocks that are in memory or on their way there, and what of them is still to be read.
///
///     add      the block has its memory
///     place    pieces of it wait in the queue, behind those that were asked for earlier
///     take     a reader reads and decodes a batch of chunks, and tells when it has
///     isThere  all of it is read: its streams are in the table
///     abandon  they are not any more; the memory goes when no thread writes to it
struct BlockReads: Sendable {
  /// A block and how far it is.
  struct Load {
    let block: WeightBlock
    /// Of its own, or that of the ring. The threads do not keep it: one that the system holds up after its last byte
    /// would, long after the memory is counted as free.
    let memory: AnonymousMemory
    /// Where pieces begin, as far as they have a place.
    var offsets: [Int] = []
    /// Batches that wait or are being read.
    var pendingCount = 0
    /// Threads that write to the memory.
    var writerCount = 0
    var failure: ModelError?
    var isEntered = false
    var isAbandoned = false

    var isDone: Bool { offsets.count == block.pieces.count && pendingCount == 0 && failure == nil }
  }

  /// Chunks of a block that are read at once.
  typealias Batch = (load: Int, targets: ArraySlice<VQ4ChunkTarget>)

  /// Bytes in the file of what has been read so far.
  private(set) var readBytes = 0
  private let file: VQ4File
  private let table: StreamTable
  private let poisonsReleased: Bool
  /// Wakes who waits for blocks, the readers, and the thread that touches memory.
  private let waker: Waker
  let readWaker = Waker()
  let touchWaker = Waker()
  private var loads: [Int: Load] = [:]
  private var loadCount = 0
  private var isEnding = false
  /// The next one last.
  private var queue: [Batch] = []
  /// Memory that nothing has touched, the next one last; nil where the system cannot provide memory ahead.
  private var untouched: [(load: Int, bytes: Range<Int>)]? = []

  /// Bytes that are touched at once. Memory that is given up in between is free only after that.
  private static let touchBytes = 8 << 20

  /// - Parameter poisonsReleased: whether memory is filled with 0xFF when its block goes.
  init(_ file: VQ4File, _ table: StreamTable, poisonsReleased: Bool, _ waker: Waker) {
    self.file = file
    self.table = table
    self.poisonsReleased = poisonsReleased
    self.waker = waker
  }

  /// Whether nothing is to be read.
  var isIdle: Bool { queue.isEmpty }
  /// Whether a block could not be read.
  var hasFailed: Bool { loads.values.contains { $0.failure != nil && !$0.isAbandoned } }
  /// Whether the memory of all abandoned blocks is free.
  var isSettled: Bool { !loads.values.contains(where: \.isAbandoned) }

  /// nil where the memory of an abandoned block is free.
  subscript(load: Int) -> Load? { loads[load] }

  // MARK: Blocks

  /// - Parameter isFresh: whether nothing has touched the memory yet.
  /// - Returns: the number under which the block is known.
  mutating func add(_ block: WeightBlock, in memory: AnonymousMemory, isFresh: Bool) -> Int {
    loadCount += 1
    loads[loadCount] = Load(block: block, memory: memory)
    if isFresh {
      let steps = stride(from: 0, to: block.byteCount, by: Self.touchBytes).map {
        (load: loadCount, bytes: $0..<min($0 + Self.touchBytes, block.byteCount))
      }
      untouched?.insert(contentsOf: steps.reversed(), at: 0)
      touchWaker.wake()
    }
    return loadCount
  }

  /// Has the next pieces of a block read to places of its memory.
  ///
  /// - Parameter isUrgent: before what was asked for earlier.
  mutating func place(_ load: Int, at offsets: [Int], isUrgent: Bool = false) {
    guard let known = loads[load], !offsets.isEmpty else { return }
    let pieces = zip(known.block.pieces[known.offsets.count...], offsets)
    let targets = pieces.flatMap { piece, offset in
      piece.chunks.map { chunk in
        var target = chunk
        target.offsetBytes += offset
        return target
      }
    }
    let batches = VQ4ChunkReader.batches(targets, of: file)
    loads[load]?.offsets += offsets
    loads[load]?.pendingCount += batches.count
    queue.insert(
      contentsOf: batches.reversed().map { (load, $0) }, at: isUrgent ? queue.count : 0)
    readWaker.wake()
  }

  /// Whether a block is in memory; its streams are in the table from then on.
  mutating func isThere(_ load: Int) throws(ModelError) -> Bool {
    if loads[load]?.isEntered == true { return true }
    guard let known = loads[load] else { return false }
    if let failure = known.failure { throw failure }
    guard known.isDone else { return false }
    table.set(known.block, base: known.memory.base, offsets: known.offsets)
    loads[load]?.isEntered = true
    return true
  }

  /// Gives a block up. What is not read of it never will be.
  mutating func abandon(_ load: Int) {
    guard let known = loads[load], !known.isAbandoned else { return }
    if known.isEntered { table.set(known.block, base: nil, offsets: known.offsets) }
    loads[load]?.isAbandoned = true
    removeUnlessWritten(load)
  }

  private mutating func removeUnlessWritten(_ load: Int) {
    guard let known = loads[load], known.isAbandoned, known.writerCount == 0 else { return }
    loads[load] = nil
    guard poisonsReleased else { return }
    for (piece, offset) in zip(known.block.pieces, known.offsets) {
      (known.memory.base + offset).initializeMemory(
        as: UInt8.self, repeating: 0xFF, count: piece.byteCount)
    }
  }

  // MARK: Threads

  /// Has the threads end.
  mutating func end() {
    isEnding = true
    readWaker.wake()
    touchWaker.wake()
  }

  /// The next batch, and the memory of its block; the inner nil at the end, the outer one where there is none yet.
  mutating func take() -> (batch: Batch, base: UnsafeMutableRawPointer)?? {
    if isEnding { return .some(nil) }
    while let batch = queue.popLast() {
      if let base = startWriting(batch.load) { return (batch, base) }
    }
    return nil
  }

  mutating func finish(_ batch: Batch, _ failure: ModelError?) {
    readBytes += batch.targets.reduce(0) {
      $0 + file.chunkFileRange($1.tensor, $1.role, $1.chunk).count
    }
    loads[batch.load]?.pendingCount -= 1
    if let failure, loads[batch.load]?.failure == nil { loads[batch.load]?.failure = failure }
    endWriting(batch.load)
  }

  /// Memory to touch next, ahead of the readers; nil as with `take`.
  mutating func takeUntouched() -> (load: Int, pages: UnsafeMutableRawBufferPointer)?? {
    if isEnding || untouched == nil { return .some(nil) }
    while let (load, bytes) = untouched?.popLast() {
      guard let base = startWriting(load) else { continue }
      let start = base + bytes.lowerBound
      return (load, UnsafeMutableRawBufferPointer(start: start, count: bytes.count))
    }
    return nil
  }

  /// - Parameter isProvided: false where the system cannot provide memory ahead.
  mutating func finishTouching(_ load: Int, isProvided: Bool) {
    if !isProvided { untouched = nil }
    endWriting(load)
  }

  /// The memory of a block, unless nothing is to be written there any more.
  private mutating func startWriting(_ load: Int) -> UnsafeMutableRawPointer? {
    guard let known = loads[load], !known.isAbandoned, !known.isDone else { return nil }
    loads[load]?.writerCount += 1
    return known.memory.base
  }

  private mutating func endWriting(_ load: Int) {
    loads[load]?.writerCount -= 1
    removeUnlessWritten(load)
    waker.wake()
  }
}
