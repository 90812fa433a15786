import Synchronization
import VARSystem
import VQ4Format

/// The weights of a file, in three places:
///
///                  in the file               kept                        the ring
///     what         raw streams, in the       blocks in memory of         the parts of a pass, one
///                  pages of the mapping      their own                   behind the other
///     read         by the system, when       once, and decoded           again for every pass, ahead
///                  they are touched                                      of the compute
///     map          raw streams               compressed streams          -
///     load         -                         all parts of the phase      -
///     stream       -                         as many as the plan says    the others
///
/// `begin` takes the plan of a phase. From then on `acquire` and `release` hand out the parts of a pass in its order:
/// who acquires a part waits until the readers have it, and who releases it gives its place in the ring to a later one.
/// With `map` and `load` any number of requests read at once. With `stream` one request reads, and the next waits for
/// its end. What is kept stays from phase to phase and from request to request as long as the budget allows.
package final class WeightStore: WeightSource, @unchecked Sendable {
  package var directory: any TensorDirectory { file }
  package var blocks: WeightBlocks? { allBlocks }
  let file: VQ4File
  package let allBlocks: WeightBlocks
  let readers: WeightReaders
  let table: StreamTable
  let kept: KeptBlocks
  /// Whether the ring is filled with 0xFF where weights were given back: a read of them then gives NaN.
  let poisonsReleased: Bool
  package let residency: WeightResidency
  /// Threads that compute.
  package let threadCount: Int
  private let rows: RowReader
  private let pages: PageUse?

  // Behind the readers' monitor: who streams, and what passes through the ring.
  private var owner: WeightRequest?
  private var ring: WeightRing?

  /// - Parameters:
  ///   - threadCount: threads that compute; there are twice as many that read.
  ///   - isDirect: false reads through the page cache and forgets what was read.
  ///   - poisonsReleased: for tests.
  package init(
    _ blocks: WeightBlocks, _ residency: WeightResidency, threadCount: Int, isDirect: Bool = true,
    poisonsReleased: Bool = false
  ) {
    file = blocks.file
    allBlocks = blocks
    self.residency = residency
    self.threadCount = threadCount
    self.poisonsReleased = poisonsReleased
    readers = WeightReaders(blocks.file, threadCount: threadCount, isDirect: isDirect)
    table = StreamTable(blocks)
    kept = KeptBlocks(blocks, isCompressedOnly: residency == .map, readers, table)
    rows = RowReader(blocks.file, usesMapping: residency == .map)
    pages = residency == .map ? PageUse(blocks.file) : nil
  }

  /// Nothing may be written to memory that goes.
  deinit { readers.stop() }

  private var monitor: Monitor { readers.monitor }

  // MARK: Phases

  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    if let pages {
      try mapFile()
      pages.begin(plan.pass, request)
    }
    try monitor.locked { () throws(ModelError) in
      if residency == .stream { return try stream(plan, request) }
      try plan.requireFit()
      try kept.makeRoom(for: plan, request)
      for part in plan.pass.parts { try kept.ask(for: part) }
    }
    if residency == .load { try kept.wait(for: plan.pass.parts, request, progress) }
  }

  private func mapFile() throws(ModelError) {
    do throws(VQ4Error) {
      try file.mapWeights()
    } catch {
      throw ModelError(error.isOutOfMemory ? .outOfMemory : .unreadableWeights, "\(error)")
    }
  }

  /// Begins a phase with a ring, unless the one before goes on: then its reads ahead are of use.
  private func stream(_ plan: WeightPlan, _ request: WeightRequest) throws(ModelError) {
    while let owner, owner.id != request.id {
      if request.isCancelled() { throw ModelError.cancelled }
      monitor.wait(milliseconds: 50)
    }
    owner = request
    try plan.requireFit()
    if let ring, ring.serves(plan), !ring.hasFailed, !kept.hasFailed { return }
    let old = ring?.stop()
    ring = nil
    kept.forgetUnfinished()
    try kept.makeRoom(for: plan, request)
    ring = try WeightRing(plan, self, reusing: old)
    try ring?.advance()
  }

  package func end(_ request: WeightRequest) {
    pages?.end(request)
    monitor.locked {
      kept.end(request)
      if owner?.id == request.id { owner = nil }
    }
  }

  // MARK: Parts

  package func acquire(_ part: WeightPart) throws(ModelError) {
    pages?.reached(part.group(in: file))
    guard kept.needsPlace(part) else { return }
    try monitor.locked { () throws(ModelError) in
      let isCancelled = owner?.isCancelled ?? { false }
      guard residency == .stream else { return try kept.require(part, isCancelled: isCancelled) }
      guard let ring else { preconditionFailure("weights are read before a phase began") }
      guard ring.plan.kept.contains(part) || kept.holds(part) else {
        return try ring.acquire(part, isCancelled: isCancelled)
      }
      try kept.require(part, isCancelled: isCancelled)
    }
  }

  package func release(_ part: WeightPart) {
    guard residency == .stream, kept.needsPlace(part) else { return }
    monitor.locked { if !kept.holds(part) { ring?.release(part) } }
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    if let raw = inFile(tensor, role) { return raw }
    guard let pointer = table[tensor, role] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its part")
    }
    return pointer
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    if let raw = inFile(tensor, role) {
      let tile =
        allBlocks.slabRows(ofTensor: tensor)[slab].lowerBound / VQ4TensorDescription.tileRows
      return raw + tile * file.tensors[tensor].description.unitByteCount(of: role)
    }
    guard let pointer = table[tensor, role, slab: slab] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its slab")
    }
    return pointer
  }

  private func inFile(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer? {
    residency == .map ? file.rawStream(tensor, role)?.baseAddress : nil
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try rows.read(unit: unit, of: tensor, role, into: output)
  }
}

/// Which pages of the mapped file requests use: those of the next group are read ahead, and those of groups that
/// nobody reads any more leave this process's memory. They stay in the page cache.
private final class PageUse: Sendable {
  private let file: VQ4File
  private let state: Mutex<State>

  private struct State: ~Copyable {
    let readAhead: ReadAhead
    /// Groups that each request reads in its present phase.
    var groups: [Int: Set<Int>] = [:]
  }

  init(_ file: VQ4File) {
    self.file = file
    state = Mutex(State(readAhead: ReadAhead(file)))
  }

  func begin(_ pass: WeightPass, _ request: WeightRequest) {
    let groups = Set(pass.parts.map { $0.group(in: file) })
    let left = state.withLock { state in
      let before = state.groups.updateValue(groups, forKey: request.id) ?? []
      return state.groups.values.reduce(before) { $0.subtracting($1) }
    }
    for group in left { file.forgetPages(group: group) }
  }

  func end(_ request: WeightRequest) { state.withLock { $0.groups[request.id] = nil } }

  /// Says that a group is computed with now.
  func reached(_ group: Int) { state.withLock { $0.readAhead.reached(group) } }
}
