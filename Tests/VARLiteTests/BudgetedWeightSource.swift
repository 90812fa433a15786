import VARModels
import VQ4Format

/// A source that gives each phase a budget between the least with which it can run and all that it reads.
final class BudgetedWeightSource: WeightSource, @unchecked Sendable {
  private let source: any WeightSource
  private let share: Double
  private let readerCount: Int
  /// Bytes that the phases so far read anew for every pass.
  private(set) var streamedBytes = 0

  /// - Parameter share: 0 for the least budget, 1 for the largest of use.
  init(_ source: any WeightSource, share: Double, readerCount: Int) {
    self.source = source
    self.share = share
    self.readerCount = readerCount
  }

  var blocks: WeightBlocks? { source.blocks }

  func begin(
    _ pass: WeightPass, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    func plan(_ budgetBytes: Int?) -> WeightResidencyPlan {
      WeightResidency.stream.plan(
        pass, blocks: source.blocks!, budgetBytes: budgetBytes, readerCount: readerCount)
    }
    let (least, most) = (plan(0).minimumBytes, plan(nil).residentBytes)
    var budgeted = request
    budgeted.budgetBytes = least + Int(Double(most - least) * share)
    streamedBytes += plan(budgeted.budgetBytes).diskBytesPerPass
    try source.begin(pass, for: budgeted, progress: progress)
  }

  func end(_ request: WeightRequest) { source.end(request) }
  var tensorCount: Int { source.tensorCount }
  func tensorIndex(named name: String) -> Int? { source.tensorIndex(named: name) }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    source.description(ofTensor: tensor)
  }
  func group(ofTensor tensor: Int) -> Int { source.group(ofTensor: tensor) }
  func acquire(_ group: Int) throws(ModelError) { try source.acquire(group) }
  func release(_ group: Int) { source.release(group) }
  func acquire(_ part: WeightPart) throws(ModelError) { try source.acquire(part) }
  func release(_ part: WeightPart) { source.release(part) }
  func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    source.stream(tensor, role)
  }
  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    source.stream(tensor, role, slab: slab)
  }
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try source.read(unit: unit, of: tensor, role, into: output)
  }
}
