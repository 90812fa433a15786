import VARModels
import VQ4Format

/// A source that gives each phase a budget between the least with which it can run and all that it reads.
final class BudgetedWeightSource: WeightSource, @unchecked Sendable {
  private let source: WeightStore
  private let share: Double
  /// Bytes that the phases so far read anew for every pass.
  private(set) var streamedBytes = 0

  /// - Parameter share: 0 for the least budget, 1 for the largest of use.
  init(_ source: WeightStore, share: Double) {
    self.source = source
    self.share = share
  }

  var directory: any TensorDirectory { source.directory }
  var blocks: WeightBlocks? { source.blocks }

  func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    func budgeted(_ budgetBytes: Int?) -> WeightPlan {
      source.residency.plan(
        plan.pass, blocks: source.allBlocks, budgetBytes: budgetBytes,
        threadCount: source.threadCount)
    }
    let (least, most) = (budgeted(0).minimumBytes, budgeted(nil).residentBytes)
    let own = budgeted(least + Int(Double(most - least) * share))
    streamedBytes += own.diskBytesPerPass
    try source.begin(own, for: request, progress: progress)
  }

  func end(_ request: WeightRequest) { source.end(request) }
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    try source.acquire(part, isCancelled: isCancelled)
  }
  func release(_ part: WeightPart) { source.release(part) }
  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    source.stream(tensor, role, slab: slab)
  }
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try source.read(unit: unit, of: tensor, role, into: output)
  }
}
