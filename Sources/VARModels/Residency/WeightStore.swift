import VARSystem
import VQ4Format

/// The weights of a file, in three places:
///
///                  in the file               kept                        the ring
///     what         raw streams, in the       blocks in memory of         the parts of a pass, one
///                  pages of the mapping      their own                   behind the other
///     read         by the system, when       once, and decoded           again for every pass, ahead
///                  they are touched                                      of the compute
///     map          raw streams               compressed streams          -
///     load         -                         all parts of the phase      -
///     stream       -                         as many as the plan says    the others
///
/// `begin` and `acquire` are the two doors. `begin` takes the plan of a phase: with `map` it maps the file, with `load`
/// it returns when all parts are there, with `stream` it has the first parts read and returns. From then on `acquire`
/// and `release` hand out the parts of a pass in its order: who acquires a part waits until the readers have it, and
/// who releases it gives its place in the ring to a later one. With `map` and `load` any number of requests read at
/// once, with `stream` one. No request waits for another: whoever lets requests begin sees to it that they fit into
/// memory together, and that one streams. What is kept stays from phase to phase and from request to request as long as
/// the budget allows.
///
/// What changes is in a `StoreState` behind one lock:
///
///     KeptBlocks --- add, place --->                 --- take ---->
///                                      BlockReads                     readers
///     WeightRing <--- isThere ------                 <-- finish ---
package final class WeightStore: WeightSource, Sendable {
  package var directory: any TensorDirectory { file }
  package var blocks: WeightBlocks? { allBlocks }
  package let allBlocks: WeightBlocks
  /// Those that take memory of their own.
  private let decoded: WeightBlocks
  package let residency: WeightResidency
  /// Threads that compute.
  package let threadCount: Int
  let direct: VQ4DirectFile
  let state: Guarded<StoreState>
  private let table: StreamTable
  private let rows: RowReader
  private let pages: MappedPages?

  /// - Parameters:
  ///   - threadCount: threads that compute; there are twice as many that read.
  ///   - isDirect: false reads through the page cache and forgets what was read.
  ///   - poisonsReleased: for tests: whether memory is filled with 0xFF where weights were given back: a read of them
  ///     then gives NaN.
  package init(
    _ blocks: WeightBlocks, _ residency: WeightResidency, threadCount: Int, isDirect: Bool = true,
    poisonsReleased: Bool = false
  ) {
    let table = StreamTable(blocks)
    direct = VQ4DirectFile(blocks.file, isDirect: isDirect)
    allBlocks = blocks
    let decoded = blocks.decoded(residency)
    self.decoded = decoded
    self.residency = residency
    self.threadCount = threadCount
    self.table = table
    state = Guarded { waker in
      let reads = BlockReads(blocks.file, table, poisonsReleased: poisonsReleased, waker)
      return StoreState(decoded, residency, reads)
    }
    rows = RowReader(direct, usesMapping: residency == .map)
    pages = residency == .map ? MappedPages(blocks.file) : nil
  }

  /// Nothing may be written to memory that goes.
  deinit { stopReaders() }

  var file: VQ4File { allBlocks.file }

  // MARK: Phases

  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    if let pages {
      try ModelError.reading { () throws(VQ4Error) in try file.mapWeights() }
      pages.begin(plan.pass, request.id)
    }
    try state.wait { state throws(ModelError) in try state.begin(plan, request.id) ? () : nil }
    try startReaders()
    if residency == .load { try wait(for: plan.pass.parts, request, progress) }
  }

  /// Returns when all parts are in memory. Where that fails, what is not there and no other request needs is given up.
  private func wait(
    for parts: [WeightPart], _ request: WeightRequest, _ progress: (Int, Int) -> Void
  ) throws(ModelError) {
    let (missing, start) = state.withLock {
      ($0.kept.missing(parts, $0.reads), $0.reads.readBytes)
    }
    guard !missing.isEmpty else { return }
    let total = decoded.storedBytes(missing)
    var (areThere, known) = (false, start)
    do throws(ModelError) {
      while !areThere {
        progress(min(known - start, total), total)
        (areThere, known) = try state.wait(milliseconds: 100) { state throws(ModelError) in
          let areThere = try state.kept.areThere(missing, &state.reads)
          let readBytes = state.reads.readBytes
          if areThere || readBytes > known { return (areThere, readBytes) }
          if request.isCancelled() { throw ModelError.cancelled }
          return nil
        }
      }
      progress(total, total)
    } catch {
      state.withLock { $0.end(request.id) }
      throw error
    }
  }

  /// Brings the pages of the language model's first layers into memory, as far as they are used in place, until the
  /// first request begins. Returns at once.
  func readFirstLayers(atMost byteCount: Int) {
    guard let pages, (try? file.mapWeights()) != nil else { return }
    let numbers = Dictionary(
      file.groups.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { $1 })
    var layers: [Int] = []
    while let layer = numbers[TensorGroup.languageLayer(layers.count).name] {
      layers.append(layer)
    }
    pages.readFirst(layers.filter { decoded[.group($0)] == nil }, atMost: byteCount)
  }

  package func end(_ request: WeightRequest) {
    pages?.end(request.id)
    state.withLock { $0.end(request.id) }
  }

  /// Memory that stays when the requests end.
  package var retainedBytes: Int { state.withLock { $0.retainedBytes } }

  /// Gives back what no request needs.
  func releaseUnused() { state.withLock { $0.releaseUnused() } }

  // MARK: Parts

  package func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    pages?.reached(part.group(in: file))
    guard decoded[part] != nil else { return }
    if try state.withLock({ state throws(ModelError) in try state.acquire(part) }) { return }
    try startReaders()
    try state.wait(milliseconds: 100) { state throws(ModelError) in
      if try state.acquire(part) { return () }
      if isCancelled() { throw ModelError.cancelled }
      return nil
    }
  }

  package func release(_ part: WeightPart) {
    guard residency == .stream, decoded[part] != nil else { return }
    state.withLock { $0.release(part) }
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    if residency == .map, let raw = file.rawStream(tensor, role)?.baseAddress {
      let row = slab.map { allBlocks.slabRows(ofTensor: tensor)[$0].lowerBound } ?? 0
      let tile = row / VQ4TensorDescription.tileRows
      return raw + tile * file.tensors[tensor].description.unitByteCount(of: role)
    }
    guard let pointer = table[tensor, role, slab] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its part")
    }
    return pointer
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try rows.read(unit: unit, of: tensor, role, into: output)
  }
}
