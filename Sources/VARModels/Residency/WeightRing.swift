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
///
/// Everything is called inside the readers' monitor.
final class WeightRing {
  let plan: WeightPlan
  private unowned let store: WeightStore
  private var pass: WeightPass { plan.pass }
  private let positions: [WeightPart: Int]
  private let memory: AnonymousMemory?
  private var space: RingSpace
  /// In the ring, or on their way there, in the order of their places.
  private var entries: [Entry] = []
  /// The next step to read; steps count the parts of all passes.
  private var next = 0
  /// The last step that was acquired.
  private var current = 0
  private var stepLimit: Int
  private let isAllKept: Bool

  private final class Entry {
    let step: Int
    let block: WeightBlock
    let load: BlockLoad
    /// Places of the pieces that have one.
    var offsets: [Int] = []
    var userCount = 0
    var isReleased = false

    init(step: Int, block: WeightBlock, load: BlockLoad) {
      self.step = step
      self.block = block
      self.load = load
    }
  }

  /// The memory of a ring that an earlier phase used.
  struct Memory {
    let memory: AnonymousMemory
    let byteCount: Int
  }

  /// - Throws: `ModelError` with `outOfMemory`.
  init(_ plan: WeightPlan, _ store: WeightStore, reusing old: Memory?) throws(ModelError) {
    self.plan = plan
    self.store = store
    positions = Dictionary(
      plan.pass.parts.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    stepLimit = plan.pass.passCount.map { $0 * plan.pass.parts.count } ?? .max
    isAllKept = plan.pass.parts.allSatisfy(plan.kept.contains)
    space = RingSpace(byteCount: plan.ringBytes)
    if let old, old.byteCount == plan.ringBytes {
      memory = old.memory
    } else if plan.ringBytes > 0 {
      guard let memory = AnonymousMemory(byteCount: plan.ringBytes) else {
        throw ModelError(.outOfMemory, "no memory for \(plan.ringBytes) bytes of weights")
      }
      self.memory = memory
    } else {
      memory = nil
    }
  }

  /// Whether another phase reads the same parts in the same order, from the same places.
  func serves(_ other: WeightPlan) -> Bool {
    pass == other.pass && plan.kept == other.kept && plan.ringBytes == other.ringBytes
  }

  /// Whether a part could not be read: the phase must begin anew.
  var hasFailed: Bool { entries.contains { $0.load.failure != nil } }

  /// Ends all reads and gives the ring away.
  func stop() -> Memory? {
    store.readers.abandon(entries.map(\.load))
    for entry in entries { leave(entry) }
    entries = []
    return memory.map { Memory(memory: $0, byteCount: plan.ringBytes) }
  }

  /// Asks for parts as long as there are places for them, a pass ahead at most.
  func advance() throws(ModelError) {
    if let last = entries.last, last.load.isOpen, !(try place(last)) { return }
    let count = pass.parts.count
    while next < stepLimit, next <= current + count, !isAllKept || next < count {
      let part = pass.parts[next % count]
      guard let block = store.allBlocks[part] else {
        next += 1
        continue
      }
      // Kept parts are read in the order of the pass too.
      if plan.kept.contains(part) || store.kept.holds(part) {
        if !store.kept.holds(part) { try store.kept.ask(for: part) }
        next += 1
        continue
      }
      let sizes = block.pieces.map { Self.aligned($0.byteCount) }
      // A part that begins too late in the ring waits until it can begin at its start.
      guard let memory, space.isEmpty || space.canHold(sizes) else { return }
      let entry = Entry(step: next, block: block, load: BlockLoad(base: memory.base))
      entry.load.isOpen = true
      entries.append(entry)
      next += 1
      guard try place(entry) else { return }
    }
  }

  /// Takes places for the rest of a part's pieces and has them read. Returns false where there is no place yet.
  private func place(_ entry: Entry) throws(ModelError) -> Bool {
    let first = entry.offsets.count
    for piece in entry.block.pieces[first...] {
      guard let offset = space.take(Self.aligned(piece.byteCount)) else { break }
      entry.offsets.append(offset)
    }
    let placed = first..<entry.offsets.count
    if !placed.isEmpty {
      try store.readers.read(entry.block.pieces[placed], at: entry.offsets[placed], entry.load)
    }
    entry.load.isOpen = entry.offsets.count < entry.block.pieces.count
    return !entry.load.isOpen
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }

  /// Returns when a part is in the ring.
  ///
  /// - Parameter isCancelled: asked while it waits.
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    guard let position = positions[part] else {
      preconditionFailure("a part is read that the phase did not announce")
    }
    let entry = try entry(at: position)
    try advance()
    try store.readers.wait(for: entry.load, isCancelled: isCancelled)
    entry.userCount += 1
    store.table.set(entry.block, base: entry.load.base, offsets: entry.offsets)
  }

  /// The part's entry, as the first one of the ring. What stands before it is skipped.
  private func entry(at position: Int) throws(ModelError) -> Entry {
    let count = pass.parts.count
    if let found = entries.firstIndex(where: { $0.step % count == position && !$0.isReleased }) {
      let skipped = entries[..<found].filter { $0.userCount == 0 }
      store.readers.abandon(skipped.map(\.load))
      for entry in skipped { entry.isReleased = true }
      removeReleased()
    } else {
      precondition(entries.allSatisfy { $0.userCount == 0 }, "a part is read out of its order")
      _ = stop()
      space = RingSpace(byteCount: plan.ringBytes)
      next = current / count * count + position
      if next < current { next += count }
      stepLimit = max(stepLimit, next + 1)
    }
    if let entry = entries.first(where: { $0.step % count == position && !$0.isReleased }) {
      current = entry.step
      return entry
    }
    current = next
    try advance()
    guard let entry = entries.first(where: { $0.step % count == position }) else {
      preconditionFailure("the ring has no place for a part")
    }
    return entry
  }

  func release(_ part: WeightPart) {
    guard let position = positions[part],
      let entry = entries.first(where: {
        $0.step % pass.parts.count == position && $0.userCount > 0
      })
    else { return }
    entry.userCount -= 1
    guard entry.userCount == 0 else { return }
    leave(entry)
    entry.isReleased = true
    removeReleased()
    do throws(ModelError) {
      try advance()
    } catch {
      // Whoever acquires the part next learns of it.
    }
  }

  private func leave(_ entry: Entry) {
    store.table.set(entry.block, base: nil, offsets: entry.offsets)
    guard store.poisonsReleased else { return }
    for (piece, offset) in zip(entry.block.pieces, entry.offsets) {
      (entry.load.base + offset).initializeMemory(
        as: UInt8.self, repeating: 0xFF, count: piece.byteCount)
    }
  }

  private func removeReleased() {
    while let first = entries.first, first.isReleased {
      for _ in first.offsets { space.giveBack() }
      entries.removeFirst()
    }
  }
}
