import Synchronization
import VARSystem
import VQ4Format

/// Weights used in place from the mapped file; compressed streams are decoded by all cores, ahead of the compute where
/// a phase was announced, and stay in memory. What the page cache lacks of the next group is read while a group is in
/// use.
///
/// One source serves any number of requests at once.
package final class MappedWeightSource: WeightSource, @unchecked Sendable {
  package let file: VQ4File
  package var blocks: WeightBlocks? { allBlocks }
  private let allBlocks: WeightBlocks
  /// What of the parts has to be decoded.
  private let compressed: WeightBlocks
  private let kept: KeptBlocks
  private let rows: RowReader
  private let readerCount: Int
  private let state: Mutex<State>

  private struct State: ~Copyable {
    let readAhead: ReadAhead
    /// What each request reads in its present phase.
    var parts: [Int: Set<WeightPart>] = [:]
  }

  package init(
    file: VQ4File, blocks: WeightBlocks? = nil, threadCount: Int = ThreadPool.defaultThreadCount
  ) {
    self.file = file
    allBlocks = blocks ?? WeightBlocks(file)
    compressed = WeightBlocks(
      file, slabCodeBytes: allBlocks.slabCodeBytes, isCompressedOnly: true)
    readerCount = WeightReaders.count(threadCount: threadCount)
    kept = KeptBlocks(compressed, WeightReaders(file, readerCount: readerCount))
    rows = RowReader(file, usesMapping: true)
    state = Mutex(State(readAhead: ReadAhead(file)))
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
    let plan = WeightResidency.map.plan(
      pass, blocks: allBlocks, budgetBytes: request.budgetBytes, readerCount: readerCount)
    guard plan.fits else { throw ModelError.tooSmall(request.budgetBytes ?? 0, plan) }
    do throws(VQ4Error) {
      try file.mapWeights()
    } catch {
      throw ModelError(error.isOutOfMemory ? .outOfMemory : .unreadableWeights, "\(error)")
    }
    forgetPages(outside: pass, request)
    try kept.begin(
      pass, for: request, roomBytes: request.budgetBytes.map { $0 - plan.stagingBytes },
      waits: false, progress: progress)
  }

  package func end(_ request: WeightRequest) {
    state.withLock { $0.parts[request.id] = nil }
    kept.end(request)
  }

  /// Takes the pages of groups of which the request leaves a part, and which no other request reads, from this process.
  /// They stay in the page cache.
  private func forgetPages(outside pass: WeightPass, _ request: WeightRequest) {
    let parts = Set(pass.parts)
    let left = state.withLock { state in
      let before = state.parts.updateValue(parts, forKey: request.id) ?? []
      let others = state.parts.filter { $0.key != request.id }.values
      let groups = Set(before.subtracting(parts).map { $0.group(in: file) })
      return others.reduce(groups) { $0.subtracting($1.map { $0.group(in: file) }) }
    }
    for group in left { file.forgetPages(group: group) }
  }

  package func acquire(_ group: Int) throws(ModelError) { try acquire(.group(group)) }
  package func release(_ group: Int) {}

  package func acquire(_ part: WeightPart) throws(ModelError) {
    state.withLock { $0.readAhead.reached(part.group(in: file)) }
    try kept.require(part)
  }

  package func release(_ part: WeightPart) {}

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    if let raw = file.rawStream(tensor, role)?.baseAddress { return raw }
    guard let pointer = kept.table[tensor, role] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its part")
    }
    return pointer
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    if let raw = file.rawStream(tensor, role)?.baseAddress {
      let tile =
        allBlocks.slabRows(ofTensor: tensor)[slab].lowerBound / VQ4TensorDescription.tileRows
      return raw + tile * file.tensors[tensor].description.unitByteCount(of: role)
    }
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
