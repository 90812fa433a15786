import Synchronization
import VQ4Format

/// The stores of one file's weights, one for each residency, made when it is first asked for and shared by all
/// requests.
package final class WeightSources: Sendable {
  private let blocks: WeightBlocks
  private let tensors: [TensorSpecification]
  private let threadCount: Int
  private let fixed: (any WeightSource & Sendable)?
  private let made = Mutex<[WeightResidency: WeightStore]>([:])

  /// - Parameters:
  ///   - tensors: what the networks know of the file's tensors.
  ///   - threadCount: threads that compute.
  ///   - fixed: serves every request, whatever is asked for.
  package init(
    _ file: VQ4File, tensors: [TensorSpecification], threadCount: Int,
    fixed: (any WeightSource & Sendable)? = nil
  ) {
    self.tensors = tensors
    self.threadCount = threadCount
    self.fixed = fixed
    blocks = fixed?.blocks ?? WeightBlocks(file, tensors: tensors)
  }

  /// Threads that read weights, beside a number of threads that compute.
  package static func readerCount(threadCount: Int) -> Int {
    min(max(2 * threadCount, 2), 16)
  }

  package func source(_ residency: WeightResidency) -> any WeightSource & Sendable {
    if let fixed { return fixed }
    return made.withLock { made in
      let store = made[residency] ?? WeightStore(blocks, residency, threadCount: threadCount)
      made[residency] = store
      return store
    }
  }

  /// Has the first layers of a mapped file read before a request needs them. Returns at once.
  package func readFirstLayers(atMost byteCount: Int) {
    guard fixed == nil else { return }
    (source(.map) as? WeightStore)?.readFirstLayers(atMost: byteCount)
  }

  // MARK: Memory

  /// Memory of the blocks that the stores keep, and of rings that no request uses. Whoever needs these blocks next
  /// finds them decoded.
  package var retainedBytes: Int {
    made.withLock { $0.values.reduce(0) { $0 + $1.retainedBytes } }
  }

  /// Memory that parts take where they are kept.
  package func memoryBytes(of parts: Set<WeightPart>, _ residency: WeightResidency) -> Int {
    blocks.decoded(residency).memoryBytes(parts)
  }

  /// Gives back the blocks that no request needs now, and stores that nobody holds: a store that somebody holds stays
  /// the only one of its residency.
  package func releaseUnused() {
    made.withLock { made in
      for residency in WeightResidency.allCases {
        made[residency]?.releaseUnused()
        if isKnownUniquelyReferenced(&made[residency]) { made[residency] = nil }
      }
    }
  }

  // MARK: Plans

  /// Where the weights of a request's phases will be, which may take a budget each; nil: no limit.
  package func plans(
    _ residency: WeightResidency, _ phases: [(phase: WeightPhase, budgetBytes: Int?)]
  ) -> [WeightPlan] {
    var earlier: Set<WeightPart> = []
    return phases.map { phase, budgetBytes in
      let pass = WeightPass(phase, tensors: tensors, blocks: blocks)
      defer { earlier.formUnion(pass.parts) }
      return residency.plan(
        pass, after: earlier, blocks: blocks, budgetBytes: budgetBytes, threadCount: threadCount)
    }
  }

  /// Where the weights of the vision tower will be that are read once, layer by layer, for many pictures.
  package func visionLayerPlan(
    _ residency: WeightResidency, budgetBytes: Int?
  ) -> WeightPlan {
    residency.plan(
      WeightPass(visionLayersOf: tensors, blocks: blocks), blocks: blocks,
      budgetBytes: budgetBytes, threadCount: threadCount)
  }

  /// Where the other weights will be that are read once, layer by layer, for the rows of many requests.
  ///
  /// - Parameter withHead: whether logits of words are computed.
  package func layerPlan(
    _ residency: WeightResidency, withHead: Bool, budgetBytes: Int?
  ) -> WeightPlan {
    residency.plan(
      WeightPass(layersOf: tensors, withHead: withHead, blocks: blocks), blocks: blocks,
      budgetBytes: budgetBytes, threadCount: threadCount)
  }
}
