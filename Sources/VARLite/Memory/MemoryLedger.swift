import VARModels
import VARSystem

/// Who may take how much of one budget of memory: requests that run, and sessions between two turns.
///
///                                  fits beside those that run
///     request --> plan --> queue ----------------------------------> runs --> ends
///                  |         |
///                  |         | to be refused when busy, or stopped
///                  v         v
///                does not fit even alone: refused, with remedies
///
/// A request waits here and nowhere else, and holds nothing meanwhile but its words. Who is first in the queue starts
/// first, also where a later one would fit now. Requests that fit together run at once: each on its caller's thread,
/// with the pool's threads for whichever asks for them first.
///
/// Of a model's weights one request streams at a time, since each pass through the ring belongs to one request.
final class MemoryLedger: Sendable {
  private let source: MemorySource
  private let monitor = Monitor()
  private nonisolated(unsafe) var state = State()

  private struct State {
    var claims: [Int: Claim] = [:]
    var queue: [Int] = []
    var nextID = 0
    /// Counts what changes whether a request fits.
    var version = 0
    var isClosed = false
    var peakBytes = 0
  }

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
    /// Whether it runs: a session between two turns holds its claim, and does not end by itself.
    var isRunning = true
  }

  /// A request's leave to run.
  struct Admission {
    let id: Int
    let plan: RequestPlan
  }

  /// What asks to be admitted.
  struct Candidate {
    let model: Model
    /// The plan within a budget.
    let plan: (MemoryBudget) throws(VARLiteError) -> RequestPlan
    /// What would help where a plan does not fit.
    let remedies: (RequestPlan, MemoryBudget) -> [Remedy]
    /// The claim that the new one replaces.
    var replaced: Int?
    var waits = true
  }

  init(_ source: MemorySource) { self.source = source }

  /// Returns when a request may run.
  ///
  /// - Parameter waiting: called with the requests that start before this one, when it begins to wait and when that
  ///   changes.
  /// - Throws: `memory` where it would not fit alone, `busy` where it is not to wait, `cancelled`, `closed`.
  func admit(
    _ candidate: Candidate, _ stop: StopSignal, waiting: (Int) -> Void = { _ in }
  ) throws(VARLiteError) -> Admission {
    let id = monitor.locked { enter() }
    defer { monitor.locked { leave(id) } }
    var (checked, told) = (-1, -1)
    while true {
      var (place, seen) = (0, 0)
      let admission = try monitor.locked { () throws(VARLiteError) -> Admission? in
        if state.isClosed { throw Self.closed }
        (place, seen) = (state.queue.firstIndex(of: id) ?? 0, state.version)
        // Who fits alone is looked at again when it is first.
        guard checked != seen, checked < 0 || place == 0 else { return nil }
        checked = seen
        guard let admission = try start(id, candidate) else { return nil }
        leave(id)
        return admission
      }
      if let admission { return admission }
      guard candidate.waits else {
        throw VARLiteError(
          .busy, "the request fits, but not beside those that run; try again later")
      }
      if stop.isRequested { throw .cancelled }
      if place != told {
        told = place
        waiting(place)
      }
      monitor.locked { if seen == state.version { monitor.wait(milliseconds: 50) } }
    }
  }

  static let closed = VARLiteError(.closed, "the runtime is closed")

  private func enter() -> Int {
    state.nextID += 1
    state.queue.append(state.nextID)
    return state.nextID
  }

  private func leave(_ id: Int) {
    guard let place = state.queue.firstIndex(of: id) else { return }
    state.queue.remove(at: place)
    changed()
  }

  private func changed() {
    state.version += 1
    monitor.signal()
  }

  /// Takes the claim of a request that fits now; nil where it has to wait.
  private func start(
    _ id: Int, _ candidate: Candidate
  ) throws(VARLiteError) -> Admission? {
    let replaced = candidate.replaced.flatMap { state.claims[$0] }
    var others = state.claims
    if let id = candidate.replaced { others[id] = nil }
    // Sessions between two turns do not end by themselves: a request must fit beside what they hold.
    var budget = try budget(
      claimedBytes: others.values.reduce(0) { $1.isRunning ? $0 : $0 + $1.bytes })
    let alone = try candidate.plan(budget)
    try alone.requireFit { candidate.remedies(alone, budget) }
    // A request that runs already, and needs more than was planned at first, is not in the queue's order.
    guard state.queue.first == id || replaced?.isRunning == true else { return nil }
    let claims = Array(others.values)
    guard let plan = try fitting(alone, candidate, beside: claims, &budget) else { return nil }
    if let replaced = candidate.replaced { state.claims[replaced] = nil }
    state.claims[id] = Claim(plan, candidate.model)
    let total = Self.bytes(state.claims.values)
    state.peakBytes = max(state.peakBytes, total)
    // A request alone makes room among its own model's weights by itself, phase by phase.
    source.makeRoom(
      total + plan.program.byteCount, within: budget.namedBytes,
      sparing: claims.contains(where: \.isRunning) ? nil : candidate.model, claimed: keptBytes)
    return Admission(id: id, plan: plan)
  }

  /// The plan of a request beside others; nil where it does not fit.
  private func fitting(
    _ alone: RequestPlan, _ candidate: Candidate, beside others: [Claim],
    _ budget: inout MemoryBudget
  ) throws(VARLiteError) -> RequestPlan? {
    let running = others.filter(\.isRunning)
    guard !running.isEmpty else { return alone }
    func isStreaming(_ claim: Claim) -> Bool {
      claim.residency == .stream && claim.sources === candidate.model.sources
    }
    if alone.residency == .stream, running.contains(where: isStreaming) { return nil }
    let heldBytes = budget.claimedBytes
    budget.claimedBytes = Self.bytes(others)
    let apart = try candidate.plan(budget)
    if apart.shortfallByteCount == 0, apart.residency == alone.residency { return apart }
    // Requests of one model share the weights that both keep.
    guard alone.residency != .stream, let aloneBytes = alone.budgetByteCount else { return nil }
    let bytes = Self.bytes(others + [Claim(alone, candidate.model)])
    return bytes <= aloneBytes + heldBytes - alone.program.byteCount ? alone : nil
  }

  private func budget(claimedBytes: Int) throws(VARLiteError) -> MemoryBudget {
    MemoryBudget(
      namedBytes: try source.namedBytes(claimedBytes: Self.bytes(state.claims.values)),
      claimedBytes: claimedBytes)
  }

  /// What a request could take that came now and waited for those that run.
  func budget() throws(VARLiteError) -> MemoryBudget {
    try monitor.locked { () throws(VARLiteError) in
      try budget(claimedBytes: state.claims.values.reduce(0) { $1.isRunning ? $0 : $0 + $1.bytes })
    }
  }

  /// What claims take at most together: what requests of one model keep of its weights is there once.
  private static func bytes(_ claims: some Sequence<Claim>) -> Int {
    Dictionary(grouping: claims) { Sharing(sources: ObjectIdentifier($0.sources), $0.residency) }
      .values.reduce(0) { total, sharing in
        let apart = sharing.reduce(0) { $0 + $1.bytes }
        guard sharing.count > 1, sharing[0].residency != .stream else { return total + apart }
        let kept = sharing.reduce(into: Set<WeightPart>()) { $0.formUnion($1.kept) }
        let staging = sharing.map(\.stagingBytes).max() ?? 0
        let together =
          sharing.reduce(staging) { $0 + $1.bufferBytes }
          + sharing[0].sources.memoryBytes(of: kept, sharing[0].residency)
        return total + min(apart, together)
      }
  }

  /// Weights of a model that claims may keep.
  private func keptBytes(_ sources: WeightSources) -> Int {
    Dictionary(grouping: state.claims.values.filter { $0.sources === sources }, by: \.residency)
      .reduce(0) { total, sharing in
        let kept = sharing.value.reduce(into: Set<WeightPart>()) { $0.formUnion($1.kept) }
        return total + sources.memoryBytes(of: kept, sharing.key)
      }
  }

  /// Claims whose weights are in one place.
  private struct Sharing: Hashable {
    let sources: ObjectIdentifier
    let residency: WeightResidency

    init(sources: ObjectIdentifier, _ residency: WeightResidency) {
      (self.sources, self.residency) = (sources, residency)
    }
  }

  /// The request or session ends.
  func end(_ id: Int) {
    monitor.locked {
      state.claims[id] = nil
      changed()
    }
  }

  /// A session's turn ends, and its state stays in memory.
  func hold(_ id: Int, bytes: Int) {
    monitor.locked {
      guard let claim = state.claims[id] else { return }
      state.claims[id] = Claim(
        sources: claim.sources, residency: .map, bytes: bytes, bufferBytes: bytes, kept: [],
        stagingBytes: 0, isRunning: false)
      changed()
    }
  }

  /// From now on nothing is admitted; who waits is refused.
  func close() {
    monitor.locked {
      state.isClosed = true
      changed()
    }
  }

  var isClosed: Bool { monitor.locked { state.isClosed } }

  /// What stands in the ledger.
  struct Standing {
    let claimedBytes, peakBytes, runningCount, queuedCount: Int
  }

  var standing: Standing {
    monitor.locked {
      Standing(
        claimedBytes: Self.bytes(state.claims.values),
        peakBytes: state.peakBytes,
        runningCount: state.claims.values.count(where: \.isRunning),
        queuedCount: state.queue.count)
    }
  }
}

extension MemoryLedger.Claim {
  init(_ plan: RequestPlan, _ model: Model) {
    self.init(
      sources: model.sources, residency: plan.weightResidency,
      bytes: plan.anonymousPeakByteCount - plan.program.anonymousByteCount,
      bufferBytes: plan.phases.map(\.bufferByteCount).max() ?? 0,
      kept: plan.phases.reduce(into: []) { $0.formUnion($1.weights.kept) },
      stagingBytes: plan.phases.map(\.weights.stagingBytes).max() ?? 0)
  }
}
