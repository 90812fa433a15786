import VARSystem
import VQ4Format

/// Blocks that are read into memory of their own and stay there until nobody needs them and the memory is needed.
///
/// For any number of requests at once.
final class KeptBlocks: @unchecked Sendable {
  private let blocks: WeightBlocks
  private let readers: WeightReaders
  let table: StreamTable
  // Behind the readers' monitor.
  private var kept: [WeightPart: Kept] = [:]
  private var keptBytes = 0
  /// What each request reads in its present phase.
  private var uses: [Int: Set<WeightPart>] = [:]

  private struct Kept {
    let memory: AnonymousMemory
    let load: BlockLoad
    /// Whether the streams are in the table.
    var isEntered = false
  }

  init(_ blocks: WeightBlocks, _ readers: WeightReaders) {
    self.blocks = blocks
    self.readers = readers
    table = StreamTable(blocks)
  }

  /// Nothing may be written to memory that goes.
  deinit { readers.stop() }

  private var monitor: Monitor { readers.monitor }

  /// Makes place for a phase's blocks and asks for those that are missing.
  ///
  /// - Parameters:
  ///   - roomBytes: what all blocks in memory may take, where there is a limit. A request waits for others that take
  ///     more, with nothing of its own in use.
  ///   - waits: whether to return only when all of them are there.
  func begin(
    _ pass: WeightPass, for request: WeightRequest, roomBytes: Int?, waits: Bool,
    progress: (Int, Int) -> Void
  ) throws(ModelError) {
    let parts = Set(pass.parts)
    try monitor.locked { () throws(ModelError) in
      uses[request.id] = nil
      monitor.signal()
      try makeRoom(for: parts, roomBytes, request)
      uses[request.id] = parts
      for part in pass.parts { try ask(for: part) }
    }
    guard waits else { return }
    do throws(ModelError) {
      try wait(for: pass.parts, request, progress)
    } catch {
      monitor.locked {
        uses[request.id] = nil
        forget(uses.values.reduce(parts) { $0.subtracting($1) })
      }
      throw error
    }
  }

  /// Returns when all blocks are in memory.
  private func wait(
    for parts: [WeightPart], _ request: WeightRequest, _ progress: (Int, Int) -> Void
  ) throws(ModelError) {
    let (missing, start) = monitor.locked {
      (parts.filter { kept[$0]?.isEntered == false }, readers.readBytes)
    }
    guard !missing.isEmpty else { return }
    let total = missing.reduce(0) { $0 + (blocks[$1]?.storedBytes ?? 0) }
    while true {
      let done = try monitor.locked { () throws(ModelError) -> Int? in
        let loads = missing.compactMap { kept[$0]?.load }
        if let failure = loads.lazy.compactMap(\.failure).first { throw failure }
        guard loads.contains(where: { !$0.isDone }) else {
          for part in missing { try enter(part) }
          return nil
        }
        monitor.wait(milliseconds: 100)
        return readers.readBytes - start
      }
      guard let done else { break }
      if request.isCancelled() { throw ModelError.cancelled }
      progress(min(done, total), total)
    }
    progress(total, total)
  }

  func end(_ request: WeightRequest) {
    monitor.locked {
      uses[request.id] = nil
      monitor.signal()
    }
  }

  /// Returns when a block is in memory.
  func require(_ part: WeightPart) throws(ModelError) {
    guard blocks[part] != nil else { return }
    try monitor.locked { () throws(ModelError) in
      if let known = kept[part], known.isEntered { return }
      try ask(for: part, isUrgent: true)
      while let load = kept[part]?.load, !load.isDone, load.failure == nil { monitor.wait() }
      try enter(part)
    }
  }

  // The rest is called inside the monitor.

  private func memoryBytes(_ parts: some Sequence<WeightPart>) -> Int {
    parts.reduce(0) { $0 + (blocks[$1]?.memoryBytes ?? 0) }
  }

  /// Gives back what no request reads, the last blocks first, until the missing blocks fit.
  private func makeRoom(
    for parts: Set<WeightPart>, _ roomBytes: Int?, _ request: WeightRequest
  ) throws(ModelError) {
    guard let roomBytes else { return }
    while true {
      let missing = memoryBytes(parts.filter { kept[$0] == nil })
      let used = uses.values.reduce(parts) { $0.union($1) }
      for part in kept.keys.filter({ !used.contains($0) })
        .sorted(by: { $0.isBehind($1, in: blocks.file) })
      where keptBytes + missing > roomBytes { drop(part) }
      if keptBytes + missing <= roomBytes { return }
      if request.isCancelled() { throw ModelError.cancelled }
      monitor.wait(milliseconds: 50)
    }
  }

  private func ask(for part: WeightPart, isUrgent: Bool = false) throws(ModelError) {
    guard let block = blocks[part] else { return }
    // What failed is tried again.
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

  private func enter(_ part: WeightPart) throws(ModelError) {
    guard let known = kept[part], let block = blocks[part] else { return }
    if let failure = known.load.failure { throw failure }
    guard !known.isEntered else { return }
    table.set(block, base: known.memory.base, offsets: block.pieces.map(\.offsetBytes))
    kept[part]?.isEntered = true
  }

  /// Forgets blocks that are not read to their end.
  private func forget(_ parts: Set<WeightPart>) {
    let unfinished = parts.filter { kept[$0]?.isEntered == false }
    readers.abandon(unfinished.compactMap { kept[$0]?.load })
    for part in unfinished { drop(part) }
  }

  private func drop(_ part: WeightPart) {
    guard let known = kept[part], let block = blocks[part] else { return }
    readers.abandon([known.load])
    table.set(block, base: nil, offsets: block.pieces.map(\.offsetBytes))
    kept[part] = nil
    keptBytes -= block.memoryBytes
  }
}
