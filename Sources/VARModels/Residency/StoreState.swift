import VARSystem
import VQ4Format

/// What of a store changes while it is used.
struct StoreState: ~Copyable, Sendable {
  /// Those that take memory of their own.
  let blocks: WeightBlocks
  let residency: WeightResidency
  var reads: BlockReads
  var kept: KeptBlocks
  /// Threads that were started, and what the readers read into, a place for each.
  var threads: [JoinableThread] = []
  var staging: AnonymousMemory?
  /// The request that streams, and what passes through the ring meanwhile.
  private var owner: Int?
  private var ring: WeightRing?
  private var ringMemory: AnonymousMemory?

  init(_ blocks: WeightBlocks, _ residency: WeightResidency, _ reads: BlockReads) {
    self.blocks = blocks
    self.residency = residency
    self.reads = reads
    kept = KeptBlocks(blocks)
  }

  /// Begins a phase. Returns false where that must wait for threads that write to memory that goes.
  mutating func begin(_ plan: WeightPlan, _ request: Int) throws(ModelError) -> Bool {
    if residency == .stream {
      precondition(owner == nil || owner == request, "two requests stream at once")
      owner = request
    }
    try plan.requireFit()
    // Where the phase before goes on, its reads ahead are of use.
    let goesOn = ring?.serves(plan) == true && !reads.hasFailed
    if residency == .stream, !goesOn {
      ring?.stop(&reads)
      ring = nil
      kept.end(request, &reads)
    }
    kept.makeRoom(for: plan, request, &reads)
    if goesOn { return true }
    guard reads.isSettled else { return false }
    guard residency == .stream else {
      for part in plan.pass.parts { try kept.ask(for: part, &reads) }
      return true
    }
    if ringMemory?.byteCount != plan.ringBytes {
      ringMemory = nil
      if plan.ringBytes > 0 { ringMemory = try .forWeights(plan.ringBytes) }
    }
    ring = WeightRing(plan, blocks, in: ringMemory)
    try ring?.advance(&kept, &reads)
    return true
  }

  mutating func end(_ request: Int) {
    kept.end(request, &reads)
    if owner == request { owner = nil }
  }

  /// Whether a part is in memory. Has it read where it is not.
  mutating func acquire(_ part: WeightPart) throws(ModelError) -> Bool {
    if residency == .stream, !kept.holds(part) {
      precondition(ring != nil, "weights are read before a phase began")
      if !ring!.plan.kept.contains(part) { return try ring!.acquire(part, &kept, &reads) }
    }
    return try kept.acquire(part, &reads)
  }

  mutating func release(_ part: WeightPart) {
    if !kept.holds(part) { ring?.release(part, &kept, &reads) }
  }

  /// Memory that stays when the requests end.
  var retainedBytes: Int { kept.byteCount + (owner == nil ? ringMemory?.byteCount ?? 0 : 0) }

  /// Gives back what no request needs.
  mutating func releaseUnused() {
    kept.releaseUnneeded(&reads)
    guard owner == nil else { return }
    ring?.stop(&reads)
    (ring, ringMemory) = (nil, nil)
  }
}
