import Synchronization
import VQ4Format

/// The sources of one file's weights, each made when it is first asked for and shared by all requests.
package final class WeightSources: Sendable {
  package let file: VQ4File
  package let blocks: WeightBlocks
  private let threadCount: Int
  private let fixed: (any WeightSource & Sendable)?
  private let made = Mutex<[WeightResidency: any WeightSource & Sendable]>([:])

  /// - Parameters:
  ///   - threadCount: threads that compute.
  ///   - fixed: serves every request, whatever is asked for.
  package init(
    _ file: VQ4File, threadCount: Int, fixed: (any WeightSource & Sendable)? = nil
  ) {
    self.file = file
    self.threadCount = threadCount
    self.fixed = fixed
    blocks = WeightBlocks(file)
  }

  /// Threads that read weights, beside a number of threads that compute.
  package static func readerCount(threadCount: Int) -> Int {
    WeightReaders.count(threadCount: threadCount)
  }

  package func source(_ residency: WeightResidency) -> any WeightSource & Sendable {
    if let fixed { return fixed }
    return made.withLock { made in
      if let source = made[residency] { return source }
      let source: any WeightSource & Sendable =
        switch residency {
        case .map: MappedWeightSource(file: file, blocks: blocks, threadCount: threadCount)
        case .load: LoadedWeightSource(file: file, blocks: blocks, threadCount: threadCount)
        case .stream: StreamedWeightSource(file: file, blocks: blocks, threadCount: threadCount)
        }
      made[residency] = source
      return source
    }
  }

  /// Gives a source's memory back as soon as no request uses it any more.
  package func forget(_ residency: WeightResidency) {
    made.withLock { $0[residency] = nil }
  }

  /// What a phase reads.
  package func pass(_ phase: WeightPhase, tensors: [TensorSpecification]) -> WeightPass {
    WeightPass(phase, tensors: tensors, blocks: blocks)
  }

  /// What a source will do in the phases of a request, whose weights may take a budget each; nil: no limit.
  package func plans(
    _ residency: WeightResidency, _ phases: [(pass: WeightPass, budgetBytes: Int?)]
  ) -> [WeightResidencyPlan] {
    var earlier: Set<WeightPart> = []
    return phases.map { pass, budgetBytes in
      defer { earlier.formUnion(pass.parts) }
      return residency.plan(
        pass, after: earlier, blocks: blocks, budgetBytes: budgetBytes,
        readerCount: WeightReaders.count(threadCount: threadCount))
    }
  }
}
