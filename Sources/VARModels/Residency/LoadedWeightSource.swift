import VARKernels
import VQ4Format

/// Weights that are read and decoded into memory, all that a phase reads before it starts, and stay there as long as
/// the budget allows.
///
/// One source serves any number of requests at once. Where a budget is too small for what two requests read, the second
/// waits.
package final class LoadedWeightSource: WeightSource, @unchecked Sendable {
  package let file: VQ4File
  package var blocks: WeightBlocks? { allBlocks }
  private let allBlocks: WeightBlocks
  private let kept: KeptBlocks
  private let rows: RowReader
  private let readerCount: Int

  /// - Parameters:
  ///   - threadCount: threads that compute; there are twice as many that read.
  ///   - isDirect: false reads through the page cache and forgets what was read.
  package init(
    file: VQ4File, blocks: WeightBlocks? = nil, threadCount: Int, isDirect: Bool = true
  ) {
    self.file = file
    allBlocks = blocks ?? WeightBlocks(file)
    readerCount = WeightReaders.count(threadCount: threadCount)
    kept = KeptBlocks(
      allBlocks, WeightReaders(file, readerCount: readerCount, isDirect: isDirect))
    rows = RowReader(file, usesMapping: false)
  }

  package var tensorCount: Int { file.tensors.count }
  package func tensorIndex(named name: String) -> Int? { file.tensorIndex(named: name) }
  package func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    file.tensors[tensor].description
  }
  package func group(ofTensor tensor: Int) -> Int { file.tensors[tensor].group }

  package func begin(
    _ pass: WeightPass, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    let plan = WeightResidency.load.plan(
      pass, blocks: allBlocks, budgetBytes: request.budgetBytes, readerCount: readerCount)
    guard plan.fits else { throw ModelError.tooSmall(request.budgetBytes ?? 0, plan) }
    try kept.begin(
      pass, for: request, roomBytes: request.budgetBytes.map { $0 - plan.stagingBytes },
      waits: true, progress: progress)
  }

  package func end(_ request: WeightRequest) { kept.end(request) }

  package func acquire(_ group: Int) throws(ModelError) { try acquire(.group(group)) }
  package func release(_ group: Int) {}
  package func acquire(_ part: WeightPart) throws(ModelError) { try kept.require(part) }
  package func release(_ part: WeightPart) {}

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    guard let pointer = kept.table[tensor, role] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its part")
    }
    return pointer
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    guard let pointer = kept.table[tensor, role, slab: slab] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its slab")
    }
    return pointer
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try rows.read(unit: unit, of: tensor, role, into: output)
  }
}

extension ModelError {
  static func tooSmall(_ budgetBytes: Int, _ plan: WeightResidencyPlan) -> ModelError {
    ModelError(
      .outOfMemory,
      "the weights of this step take \(plan.minimumBytes) bytes of memory at least, the budget "
        + "leaves \(budgetBytes)")
  }
}
