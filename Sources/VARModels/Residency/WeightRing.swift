import VARSystem
import VQ4Format

/// The parts of one phase as they pass through the ring: one pass after the other, each part as soon as there is a
/// place.
///
///     pass     a  b  c  d  a  b  c  d  a ...      steps 0, 1, 2, ...: the parts of all passes
///                 |        |
///                 |        next: read as soon as a place is free, a pass ahead at most
///                 current: computed with
///     ring     [ d | b | c ]                      places are taken in one order and given back in the same
struct WeightRing: Sendable {
  let plan: WeightPlan
  private let blocks: WeightBlocks
  private let memory: AnonymousMemory?
  private var space: RingSpace
  /// In the ring, or on their way there, in the order of their places.
  private var entries: [Entry] = []
  /// The next step to read; steps count the parts of all passes.
  private var next = 0
  /// The last step that was acquired.
  private var current = 0
  private var stepLimit: Int

  private struct Entry {
    let step: Int
    let block: WeightBlock
    let load: Int
    var userCount = 0
  }

  /// - Parameter memory: as much as the plan says.
  init(_ plan: WeightPlan, _ blocks: WeightBlocks, in memory: AnonymousMemory?) {
    self.plan = plan
    self.blocks = blocks
    self.memory = memory
    stepLimit = plan.pass.passCount.map { $0 * plan.pass.parts.count } ?? .max
    space = RingSpace(byteCount: plan.ringBytes)
  }

  /// Whether another phase reads the same parts in the same order, from the same places.
  func serves(_ other: WeightPlan) -> Bool {
    plan.pass == other.pass && plan.kept == other.kept && plan.ringBytes == other.ringBytes
  }

  /// Gives up all that is in the ring.
  mutating func stop(_ reads: inout BlockReads) {
    for entry in entries { reads.abandon(entry.load) }
    entries = []
  }

  /// Asks for parts as long as there are places for them, a pass ahead at most.
  mutating func advance(_ kept: inout KeptBlocks, _ reads: inout BlockReads) throws(ModelError) {
    space.giveBack { reads[$0] != nil }
    if !entries.isEmpty, !place(&reads) { return }
    let count = plan.pass.parts.count
    while next < stepLimit, next <= current + count {
      let part = plan.pass.parts[next % count]
      guard let block = blocks[part], !plan.kept.contains(part), !kept.holds(part) else {
        // Kept parts are read in the order of the pass too.
        if plan.kept.contains(part) { try kept.ask(for: part, &reads) }
        next += 1
        continue
      }
      let sizes = block.pieces.map(\.placeBytes)
      // A part that begins too late in the ring waits until it can begin at its start.
      guard let memory, space.isEmpty || space.canHold(sizes) else { return }
      let load = reads.add(block, in: memory, isFresh: false)
      entries.append(Entry(step: next, block: block, load: load))
      next += 1
      guard place(&reads) else { return }
    }
  }

  /// Takes places for the rest of the last part's pieces and has them read. Returns false where there is no place yet.
  private mutating func place(_ reads: inout BlockReads) -> Bool {
    guard let last = entries.last, let load = reads[last.load] else { return false }
    var offsets: [Int] = []
    let pieces = last.block.pieces[load.offsets.count...]
    for piece in pieces {
      guard let offset = space.take(piece.placeBytes, for: last.load) else { break }
      offsets.append(offset)
    }
    reads.place(last.load, at: offsets)
    return offsets.count == pieces.count
  }

  /// Whether a part is in the ring. Has it read where it is not.
  mutating func acquire(
    _ part: WeightPart, _ kept: inout KeptBlocks, _ reads: inout BlockReads
  ) throws(ModelError) -> Bool {
    skip(to: part, &reads)
    try advance(&kept, &reads)
    guard let index = index(of: part), try reads.isThere(entries[index].load) else { return false }
    entries[index].userCount += 1
    return true
  }

  private func index(of part: WeightPart) -> Int? {
    entries.firstIndex { $0.block.part == part }
  }

  /// Gives up what stands before a part; everything, where the part is not on its way.
  private mutating func skip(to part: WeightPart, _ reads: inout BlockReads) {
    if let index = index(of: part) {
      current = entries[index].step
      for entry in entries[..<index] where entry.userCount == 0 { reads.abandon(entry.load) }
      entries.removeAll { $0.step < current && $0.userCount == 0 }
      return
    }
    guard let position = plan.pass.parts.firstIndex(of: part) else {
      preconditionFailure("a part is read that the phase did not announce")
    }
    precondition(entries.allSatisfy { $0.userCount == 0 }, "a part is read out of its order")
    stop(&reads)
    let count = plan.pass.parts.count
    next = current / count * count + position
    if next < current { next += count }
    stepLimit = max(stepLimit, next + 1)
    current = next
  }

  mutating func release(_ part: WeightPart, _ kept: inout KeptBlocks, _ reads: inout BlockReads) {
    guard let index = entries.firstIndex(where: { $0.block.part == part && $0.userCount > 0 })
    else { return }
    entries[index].userCount -= 1
    guard entries[index].userCount == 0 else { return }
    reads.abandon(entries.remove(at: index).load)
    // Whoever acquires the next part learns of an error.
    try? advance(&kept, &reads)
  }
}
