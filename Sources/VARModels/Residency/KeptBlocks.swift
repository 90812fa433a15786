import VARSystem
import VQ4Format

/// Blocks in memory of their own: read and decoded once, they stay until nobody needs them and their memory is wanted.
struct KeptBlocks: Sendable {
  private let blocks: WeightBlocks
  private var loads: [WeightPart: Int] = [:]
  /// What each request needs in its present phase.
  private var uses: [Int: Set<WeightPart>] = [:]

  init(_ blocks: WeightBlocks) { self.blocks = blocks }

  /// Whether a part is in memory or on its way there.
  func holds(_ part: WeightPart) -> Bool { loads[part] != nil }

  /// Memory of all blocks.
  var byteCount: Int { blocks.memoryBytes(loads.keys) }

  // MARK: Room

  /// Notes what a request needs from now on, and gives back what no request needs until that fits, the last blocks of
  /// the file first. It fits then: the plan has room for what it keeps, and blocks that only other requests need are
  /// counted on their plans.
  mutating func makeRoom(for plan: WeightPlan, _ request: Int, _ reads: inout BlockReads) {
    uses[request] = plan.kept
    if let roomBytes = plan.roomBytes {
      let unneeded = unneeded
      var byteCount = blocks.memoryBytes(plan.kept) + blocks.memoryBytes(unneeded)
      for part in unneeded where byteCount > roomBytes {
        byteCount -= blocks.memoryBytes([part])
        drop(part, &reads)
      }
    }
    // What a pass finds here does not go through the ring.
    uses[request] = plan.kept.union(plan.pass.parts.filter(holds))
  }

  /// Notes that a request needs nothing any more. What is still on its way for it alone is given up.
  mutating func end(_ request: Int, _ reads: inout BlockReads) {
    uses[request] = nil
    for part in unneeded {
      if let load = loads[part], reads[load]?.isDone != true { drop(part, &reads) }
    }
  }

  /// Gives back what no request needs.
  mutating func releaseUnneeded(_ reads: inout BlockReads) {
    for part in unneeded { drop(part, &reads) }
  }

  /// What no request needs, the last of the file first.
  private var unneeded: [WeightPart] {
    func place(_ part: WeightPart) -> Int { blocks[part]?.fileOffset ?? 0 }
    return loads.keys.filter { part in !uses.values.contains { $0.contains(part) } }
      .sorted { place($0) > place($1) }
  }

  private mutating func drop(_ part: WeightPart, _ reads: inout BlockReads) {
    if let load = loads.removeValue(forKey: part) { reads.abandon(load) }
  }

  // MARK: Reading

  /// Has a part read that is not there. What failed is tried again.
  ///
  /// - Parameter isUrgent: before what was asked for earlier.
  mutating func ask(
    for part: WeightPart, isUrgent: Bool = false, _ reads: inout BlockReads
  ) throws(ModelError) {
    guard let block = blocks[part] else { return }
    if let load = loads[part], reads[load]?.failure == nil { return }
    drop(part, &reads)
    let load = reads.add(block, in: try .forWeights(block.byteCount), isFresh: true)
    reads.place(load, at: block.offsets, isUrgent: isUrgent)
    loads[part] = load
  }

  /// Whether a part is in memory. Has it read where it was not asked for.
  mutating func acquire(_ part: WeightPart, _ reads: inout BlockReads) throws(ModelError) -> Bool {
    if let load = loads[part] { return try reads.isThere(load) }
    try ask(for: part, isUrgent: true, &reads)
    return false
  }

  /// Those of the parts that were asked for and have not been found in memory yet.
  func missing(_ parts: [WeightPart], _ reads: BlockReads) -> [WeightPart] {
    parts.filter { part in loads[part].map { reads[$0]?.isEntered == false } ?? false }
  }

  /// Whether parts that were asked for are in memory.
  func areThere(_ parts: [WeightPart], _ reads: inout BlockReads) throws(ModelError) -> Bool {
    var areThere = true
    for part in parts {
      if let load = loads[part] { areThere = try reads.isThere(load) && areThere }
    }
    return areThere
  }
}
