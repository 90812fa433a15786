import VARSystem
import VQ4Format

/// Weights within a fixed memory: as many parts of a phase as fit stay there, the others pass through a ring buffer,
/// read and decoded again for every pass, ahead of the compute.
///
/// It serves one request at a time: the phases of a second one wait for the end of the first. What stays in memory
/// stays there from phase to phase and from request to request as long as the budget allows.
package final class StreamedWeightSource: WeightSource, @unchecked Sendable {
  package let file: VQ4File
  package var blocks: WeightBlocks? { allBlocks }
  let allBlocks: WeightBlocks
  let readers: WeightReaders
  let table: StreamTable
  private let rows: RowReader
  private let readerCount: Int
  /// Whether the ring is filled with 0xFF where weights were given back: a read of them then gives NaN.
  let poisonsReleased: Bool

  // Behind the readers' monitor.
  private var owner: WeightRequest?
  /// Blocks that stay, those of earlier phases included.
  private var pinned: [WeightPart: Pinned] = [:]
  private var pinnedBytes = 0
  private var stream: WeightStream?

  private struct Pinned {
    let memory: AnonymousMemory
    let load: BlockLoad
    var isEntered = false
  }

  /// - Parameters:
  ///   - threadCount: threads that compute; there are twice as many that read.
  ///   - isDirect: false reads through the page cache and forgets what was read.
  ///   - poisonsReleased: for tests.
  package init(
    file: VQ4File, blocks: WeightBlocks? = nil, threadCount: Int, isDirect: Bool = true,
    poisonsReleased: Bool = false
  ) {
    self.file = file
    allBlocks = blocks ?? WeightBlocks(file)
    readerCount = WeightReaders.count(threadCount: threadCount)
    readers = WeightReaders(file, readerCount: readerCount, isDirect: isDirect)
    table = StreamTable(allBlocks)
    rows = RowReader(file, usesMapping: false)
    self.poisonsReleased = poisonsReleased
  }

  /// Nothing may be written to memory that goes.
  deinit { readers.stop() }

  package var tensorCount: Int { file.tensors.count }
  package func tensorIndex(named name: String) -> Int? { file.tensorIndex(named: name) }
  package func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    file.tensors[tensor].description
  }
  package func group(ofTensor tensor: Int) -> Int { file.tensors[tensor].group }
  private var monitor: Monitor { readers.monitor }

  package func begin(
    _ pass: WeightPass, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    try monitor.locked { () throws(ModelError) in
      while let owner, owner.id != request.id {
        if request.isCancelled() { throw ModelError.cancelled }
        monitor.wait(milliseconds: 50)
      }
      owner = request
      let plan = WeightResidency.stream.plan(
        pass, blocks: allBlocks, budgetBytes: request.budgetBytes, readerCount: readerCount)
      guard plan.fits else { throw ModelError.tooSmall(request.budgetBytes ?? 0, plan) }
      let hasFailed = pinned.values.contains { $0.load.failure != nil }
      if let stream, stream.pass == pass, stream.plan == plan, !stream.hasFailed, !hasFailed {
        return
      }
      try start(pass, plan, request)
    }
  }

  package func end(_ request: WeightRequest) {
    monitor.locked {
      guard owner?.id == request.id else { return }
      owner = nil
      monitor.signal()
    }
  }

  private func start(
    _ pass: WeightPass, _ plan: WeightResidencyPlan, _ request: WeightRequest
  ) throws(ModelError) {
    let ring = stream?.stop()
    stream = nil
    forgetUnfinished()
    if let budgetBytes = request.budgetBytes {
      let missing = plan.pinned.reduce(0) {
        pinned[$1] == nil ? $0 + (allBlocks[$1]?.memoryBytes ?? 0) : $0
      }
      let room = budgetBytes - plan.stagingBytes - plan.ringBytes - missing
      let others = pinned.keys.filter { !plan.pinned.contains($0) }
      // The last of the file go first; what the phase streams is as good as any other.
      for part in others.sorted(by: { $0.isBehind($1, in: file) }) where pinnedBytes > room {
        drop(part)
      }
    }
    stream = try WeightStream(pass, plan, self, reusing: ring)
    try stream?.advance()
  }

  /// Forgets blocks that were asked for and are not there: their phase is over.
  private func forgetUnfinished() {
    let unfinished = pinned.filter { !$0.value.load.isDone || $0.value.load.failure != nil }
    readers.abandon(unfinished.map(\.value.load))
    for part in unfinished.keys { drop(part) }
  }

  private func drop(_ part: WeightPart) {
    guard let known = pinned[part], let block = allBlocks[part] else { return }
    readers.abandon([known.load])
    pinned[part] = nil
    table.set(block, base: nil, offsets: block.pieces.map(\.offsetBytes))
    pinnedBytes -= block.memoryBytes
  }

  /// Whether a part is in memory of its own, or is now on its way there: so are those of earlier phases.
  func pin(_ part: WeightPart, _ plan: WeightResidencyPlan, isUrgent: Bool) throws(ModelError)
    -> Bool
  {
    if pinned[part] != nil { return true }
    guard plan.pinned.contains(part), let block = allBlocks[part] else { return false }
    guard let memory = AnonymousMemory(byteCount: block.byteCount) else {
      throw ModelError(.outOfMemory, "no memory for \(block.byteCount) bytes of weights")
    }
    let load = BlockLoad(base: memory.base, untouchedBytes: block.byteCount)
    try readers.read(
      block.pieces[...], at: block.pieces.map(\.offsetBytes)[...], load, isUrgent: isUrgent)
    pinned[part] = Pinned(memory: memory, load: load)
    pinnedBytes += block.memoryBytes
    return true
  }

  package func acquire(_ group: Int) throws(ModelError) { try acquire(.group(group)) }
  package func release(_ group: Int) { release(.group(group)) }

  package func acquire(_ part: WeightPart) throws(ModelError) {
    guard let block = allBlocks[part] else { return }
    try monitor.locked { () throws(ModelError) in
      guard let stream else { preconditionFailure("weights are read before a phase began") }
      guard try pin(part, stream.plan, isUrgent: true) else { return try stream.acquire(part) }
      guard let known = pinned[part], !known.isEntered else { return }
      try wait(for: known.load)
      table.set(block, base: known.memory.base, offsets: block.pieces.map(\.offsetBytes))
      pinned[part]?.isEntered = true
    }
  }

  package func release(_ part: WeightPart) {
    guard allBlocks[part] != nil else { return }
    monitor.locked { if pinned[part] == nil { stream?.release(part) } }
  }

  /// Inside the monitor.
  func wait(for load: BlockLoad) throws(ModelError) {
    while load.failure == nil, !load.isDone {
      if owner?.isCancelled() == true { throw ModelError.cancelled }
      monitor.wait(milliseconds: 100)
    }
    if let failure = load.failure { throw failure }
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    guard let pointer = table[tensor, role] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its part")
    }
    return pointer
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    guard let pointer = table[tensor, role, slab: slab] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its slab")
    }
    return pointer
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try rows.read(unit: unit, of: tensor, role, into: output)
  }
}
