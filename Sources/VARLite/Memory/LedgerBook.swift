import VARModels

/// The claims and the queue of a ledger, and the sums that decide who fits beside whom.
struct LedgerBook {
  private let source: MemorySource
  private var claims: [Int: Claim] = [:]
  private var queue: [Int] = []
  private var lastID = 0
  private var peakBytes = 0
  /// Counts what changes whether a request fits.
  private(set) var version = 0
  private(set) var isClosed = false

  /// What one request or session may take.
  struct Claim {
    /// The weights of the model, which its requests share.
    let sources: WeightSources
    let residency: WeightResidency
    /// At any moment, weights included.
    let bytes: Int
    /// Of buffers alone, at any moment.
    let bufferBytes: Int
    /// Blocks of weights in memory of their own.
    let kept: Set<WeightPart>
    /// Memory of the threads that read weights.
    let stagingBytes: Int
    /// What the model keeps of prompts, among the buffers.
    var prefixBytes = 0
    /// Whether it runs: a session between two turns holds its claim, and does not end by itself.
    var isRunning = true
  }

  init(_ source: MemorySource) { self.source = source }

  // MARK: The queue

  mutating func enter() -> Int {
    lastID += 1
    queue.append(lastID)
    return lastID
  }

  mutating func leave(_ id: Int) {
    guard let place = queue.firstIndex(of: id) else { return }
    queue.remove(at: place)
    version += 1
  }

  /// Requests that start before one.
  func place(of id: Int) -> Int { queue.firstIndex(of: id) ?? 0 }

  // MARK: Claims

  /// Takes the claim of a request that fits now; nil where it has to wait.
  mutating func start(
    _ id: Int, _ candidate: MemoryLedger.Candidate
  ) throws(VARLiteError) -> MemoryLedger.Admission? {
    let replaced = candidate.replaced.flatMap { claims[$0] }
    let others = claims.filter { $0.key != candidate.replaced }.map(\.value)
    // Sessions between two turns do not end by themselves: a request must fit beside what they hold.
    let budget = try budget(beside: others)
    let alone = try candidate.plan(budget)
    try alone.requireFit { candidate.remedies(alone, budget) }
    // A request that runs already, and needs more than was planned at first, is not in the queue's order.
    guard queue.first == id || replaced?.isRunning == true else { return nil }
    guard let plan = try fitting(alone, candidate, beside: others, budget) else { return nil }
    if let id = candidate.replaced { claims[id] = nil }
    claims[id] = Claim(plan, candidate.model)
    let total = Self.bytes(claims.values)
    peakBytes = max(peakBytes, total)
    // A request alone makes room among its own model's weights by itself, phase by phase.
    source.makeRoom(
      total + plan.program.byteCount, within: budget.namedBytes,
      sparing: others.contains(where: \.isRunning) ? nil : candidate.model, claimed: retainedBytes)
    leave(id)
    return MemoryLedger.Admission(id: id, plan: plan)
  }

  /// The plan of a request beside others; nil where it does not fit.
  private func fitting(
    _ alone: RequestPlan, _ candidate: MemoryLedger.Candidate, beside others: [Claim],
    _ budget: MemoryBudget
  ) throws(VARLiteError) -> RequestPlan? {
    let running = others.filter(\.isRunning)
    guard !running.isEmpty else { return alone }
    func isStreaming(_ claim: Claim) -> Bool {
      claim.residency == .stream && claim.sources === candidate.model.sources
    }
    if alone.residency == .stream, running.contains(where: isStreaming) { return nil }
    let apart = try candidate.plan(
      MemoryBudget(namedBytes: budget.namedBytes, claimedBytes: Self.bytes(others)))
    if apart.shortfallByteCount == 0, apart.residency == alone.residency { return apart }
    // Requests of one model share the weights that both keep.
    guard alone.residency != .stream else { return nil }
    let bytes = Self.bytes(others + [Claim(alone, candidate.model)])
    return bytes <= alone.budgetByteCount + budget.claimedBytes - alone.program.byteCount
      ? alone : nil
  }

  private func budget(beside others: [Claim]) throws(VARLiteError) -> MemoryBudget {
    MemoryBudget(
      namedBytes: try source.namedBytes(claimedBytes: Self.bytes(claims.values)),
      claimedBytes: others.reduce(0) { $1.isRunning ? $0 : $0 + $1.bytes })
  }

  /// What a request could take that came now and waited for those that run.
  func budget() throws(VARLiteError) -> MemoryBudget { try budget(beside: Array(claims.values)) }

  /// What claims take at most together: what requests of one model keep of its weights is there once.
  private static func bytes(_ claims: some Sequence<Claim>) -> Int {
    Dictionary(grouping: claims) { Sharing(sources: ObjectIdentifier($0.sources), $0.residency) }
      .values.reduce(0) { total, sharing in
        let apart = sharing.reduce(0) { $0 + $1.bytes }
        guard sharing.count > 1, sharing[0].residency != .stream else { return total + apart }
        let staging = sharing.map(\.stagingBytes).max() ?? 0
        let together = sharing.reduce(staging) { $0 + $1.bufferBytes } + keptBytes(sharing)
        return total + min(apart, together)
      }
  }

  /// What claims may keep of a model's: weights, and prompts.
  private func retainedBytes(_ sources: WeightSources) -> Int {
    let own = claims.values.filter { $0.sources === sources }
    return Dictionary(grouping: own, by: \.residency).values
      .reduce(own.map(\.prefixBytes).max() ?? 0) { $0 + Self.keptBytes($1) }
  }

  /// Weights that claims on one place keep together.
  private static func keptBytes(_ sharing: [Claim]) -> Int {
    let kept = sharing.reduce(into: Set<WeightPart>()) { $0.formUnion($1.kept) }
    return sharing[0].sources.memoryBytes(of: kept, sharing[0].residency)
  }

  /// Claims whose weights are in one place.
  private struct Sharing: Hashable {
    let sources: ObjectIdentifier
    let residency: WeightResidency

    init(sources: ObjectIdentifier, _ residency: WeightResidency) {
      (self.sources, self.residency) = (sources, residency)
    }
  }

  mutating func end(_ id: Int) {
    claims[id] = nil
    version += 1
  }

  mutating func hold(_ id: Int, bytes: Int) {
    guard let claim = claims[id] else { return }
    claims[id] = Claim(
      sources: claim.sources, residency: .map, bytes: bytes, bufferBytes: bytes, kept: [],
      stagingBytes: 0, isRunning: false)
    version += 1
  }

  mutating func close() {
    isClosed = true
    version += 1
  }

  var standing: MemoryLedger.Standing {
    MemoryLedger.Standing(
      claimedBytes: Self.bytes(claims.values), peakBytes: peakBytes,
      runningCount: claims.values.count(where: \.isRunning), queuedCount: queue.count)
  }
}

extension LedgerBook.Claim {
  init(_ plan: RequestPlan, _ model: Model) {
    self.init(
      sources: model.sources, residency: plan.weightResidency,
      bytes: plan.anonymousPeakByteCount - plan.program.anonymousByteCount,
      bufferBytes: plan.phases.map(\.bufferByteCount).max() ?? 0,
      kept: plan.phases.reduce(into: []) { $0.formUnion($1.weights.kept) },
      stagingBytes: plan.phases.map(\.weights.stagingBytes).max() ?? 0,
      prefixBytes: plan.keptByteCount)
  }
}
