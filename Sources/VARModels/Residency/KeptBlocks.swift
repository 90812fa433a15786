import VARSystem
import VQ4Format

/// Blocks in memory of their own: read and decoded once, they stay until nobody needs them and their memory is wanted.
///
/// Everything but ``wait(for:_:_:)`` is called inside the readers' monitor.
final class KeptBlocks {
  private let blocks: WeightBlocks
  private let isCompressedOnly: Bool
  private let readers: WeightReaders
  private let table: StreamTable
  private var kept: [WeightPart: Kept] = [:]
  private var keptBytes = 0
  /// What each request needs in its present phase.
  private var uses: [Int: Set<WeightPart>] = [:]

  private struct Kept {
    let memory: AnonymousMemory
    let load: BlockLoad
    /// Whether the streams are in the table.
    var isEntered = false

    var isThere: Bool { load.isDone && load.failure == nil }
  }

  /// - Parameter isCompressedOnly: whether streams that are stored raw are used in the file and need no place here.
  init(
    _ blocks: WeightBlocks, isCompressedOnly: Bool, _ readers: WeightReaders, _ table: StreamTable
  ) {
    self.blocks = blocks
    self.isCompressedOnly = isCompressedOnly
    self.readers = readers
    self.table = table
  }

  private func block(_ part: WeightPart) -> WeightBlock? {
    isCompressedOnly ? blocks.compressed(part) : blocks[part]
  }

  /// Whether a part has bytes that must be kept.
  func needsPlace(_ part: WeightPart) -> Bool { block(part) != nil }

  /// Whether a part is in memory or on its way there.
  func holds(_ part: WeightPart) -> Bool { kept[part] != nil }

  /// Whether a read of something that is kept has failed.
  var hasFailed: Bool { kept.values.contains { $0.load.failure != nil } }

  // MARK: Room

  /// Notes what a request needs from now on, and gives back what no request needs until that fits, the last blocks of
  /// the file first. Waits, with nothing of its own in use, for other requests that need more than there is room for.
  func makeRoom(for plan: WeightPlan, _ request: WeightRequest) throws(ModelError) {
    uses[request.id] = nil
    readers.monitor.signal()
    while let roomBytes = plan.roomBytes {
      let missing = memoryBytes(plan.kept.filter { kept[$0] == nil })
      let needed = uses.values.reduce(plan.kept) { $0.union($1) }
      for part in kept.keys.filter({ !needed.contains($0) })
        .sorted(by: { $0.isBehind($1, in: blocks.file) })
      where keptBytes + missing > roomBytes { drop(part) }
      if keptBytes + missing <= roomBytes { break }
      if request.isCancelled() { throw ModelError.cancelled }
      readers.monitor.wait(milliseconds: 50)
    }
    uses[request.id] = plan.kept
  }

  func end(_ request: WeightRequest) {
    uses[request.id] = nil
    readers.monitor.signal()
  }

  private func memoryBytes(_ parts: some Sequence<WeightPart>) -> Int {
    parts.reduce(0) { $0 + (block($1)?.memoryBytes ?? 0) }
  }

  /// Forgets what was asked for and is not there: the phase that asked is over.
  func forgetUnfinished() { forget(Set(kept.filter { !$0.value.isThere }.keys)) }

  private func forget(_ parts: Set<WeightPart>) {
    readers.abandon(parts.compactMap { kept[$0]?.load })
    for part in parts { drop(part) }
  }

  private func drop(_ part: WeightPart) {
    guard let known = kept[part], let block = block(part) else { return }
    readers.abandon([known.load])
    table.set(block, base: nil, offsets: block.pieces.map(\.offsetBytes))
    kept[part] = nil
    keptBytes -= block.memoryBytes
  }

  // MARK: Reading

  /// Has a part read that is not there. What failed is tried again.
  ///
  /// - Parameter isUrgent: before what was asked for earlier.
  func ask(for part: WeightPart, isUrgent: Bool = false) throws(ModelError) {
    guard let block = block(part) else { return }
    if let known = kept[part] {
      guard known.load.failure != nil else { return }
      forget([part])
    }
    guard let memory = AnonymousMemory(byteCount: block.byteCount) else {
      throw ModelError(.outOfMemory, "no memory for \(block.byteCount) bytes of weights")
    }
    let load = BlockLoad(base: memory.base, untouchedBytes: block.byteCount)
    try readers.read(
      block.pieces[...], at: block.pieces.map(\.offsetBytes)[...], load, isUrgent: isUrgent)
    kept[part] = Kept(memory: memory, load: load)
    keptBytes += block.memoryBytes
  }

  /// Returns when a part is in memory.
  ///
  /// - Parameter isCancelled: asked while it waits.
  func require(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    if kept[part]?.isEntered == true { return }
    try ask(for: part, isUrgent: true)
    guard let known = kept[part] else { return }
    try readers.wait(for: known.load, isCancelled: isCancelled)
    enter(part)
  }

  private func enter(_ part: WeightPart) {
    guard let known = kept[part], !known.isEntered, let block = block(part) else { return }
    table.set(block, base: known.memory.base, offsets: block.pieces.map(\.offsetBytes))
    kept[part]?.isEntered = true
  }

  /// Outside the monitor: returns when all parts that were asked for are in memory. Where that fails, what no other
  /// request needs is forgotten.
  func wait(
    for parts: [WeightPart], _ request: WeightRequest, _ progress: (Int, Int) -> Void
  ) throws(ModelError) {
    let monitor = readers.monitor
    let (missing, start) = monitor.locked {
      (parts.filter { kept[$0]?.isEntered == false }, readers.readBytes)
    }
    guard !missing.isEmpty else { return }
    let total = missing.reduce(0) { $0 + (block($1)?.storedBytes ?? 0) }
    do throws(ModelError) {
      while let done = try monitor.locked({ () throws(ModelError) in try readBytes(of: missing) }) {
        if request.isCancelled() { throw ModelError.cancelled }
        progress(min(done - start, total), total)
      }
    } catch {
      monitor.locked {
        uses[request.id] = nil
        let needed = uses.values.reduce(into: Set()) { $0.formUnion($1) }
        forget(Set(missing.filter { kept[$0]?.isEntered == false && !needed.contains($0) }))
      }
      throw error
    }
    progress(total, total)
  }

  /// Bytes that the readers have read, after waiting for some; nil where all parts are there.
  private func readBytes(of parts: [WeightPart]) throws(ModelError) -> Int? {
    let loads = parts.compactMap { kept[$0]?.load }
    if let failure = loads.lazy.compactMap(\.failure).first { throw failure }
    guard loads.contains(where: { !$0.isDone }) else {
      for part in parts { enter(part) }
      return nil
    }
    readers.monitor.wait(milliseconds: 100)
    return readers.readBytes
  }
}
