import VARKernels
import VARQuantization
import VARSystem
import VQ4Format

/// Reader, workers and writer of a conversion, each at its own pace.
///
/// One thread reads the checkpoint in the order of the file (`SourceReader`), the pool's threads encode chunks in any
/// order (`ChunkWorker`), and the caller takes what is ready in the reader's order (`next`). The slots, whose number
/// never changes, bound the memory: where the writer waits for the disk, the others wait for slots. What comes out does
/// not depend on the number of threads or slots.
final class ConversionPipeline: @unchecked Sendable {
  private enum Task {
    case prepare(JobPreparation)
    case chunk(PipelineItem)
  }

  private struct State {
    let waker: Waker
    var freeSlots: [ChunkSlot]
    var tasks: [Task] = []
    /// In the order of reading; the first ones may be ready or not.
    var items: [PipelineItem] = []
    var isStopped = false
    var isClosed = false
    /// Of the input that was prepared last: weights that share it follow each other.
    var compensation: JobPreparation.KnownCompensation?
  }

  private let shared: Guarded<State>
  private let pool: ThreadPool
  private var threads: [JoinableThread] = []
  /// Small tensors that may wait for the writer.
  private static let maximumItemCount = 256

  /// - Parameter slotCount: chunks that are in memory at once, at least 1.
  /// - Throws: `notEnoughMemory`.
  init(pool: ThreadPool, slotCount: Int, slotSizes: ChunkSlot.Sizes) throws(ConversionError) {
    self.pool = pool
    var slots: [ChunkSlot] = []
    for _ in 0..<slotCount { slots.append(try ChunkSlot(slotSizes)) }
    shared = Guarded { [slots] waker in State(waker: waker, freeSlots: slots) }
  }

  /// Starts the reader and the workers; false where the system refuses threads.
  func start(_ reader: SourceReader) -> Bool {
    let read = JoinableThread { reader.run(into: self) }
    let work = JoinableThread { [self] in
      // One endless part of the work per thread.
      pool.parallel(pool.threadCount) { parts in for _ in parts { self.work() } }
    }
    threads = [read, work].compactMap { $0 }
    return threads.count == 2
  }

  /// Ends all threads, whatever they are at, and waits for them.
  func stop() {
    shared.update { $0.isStopped = true }
    for thread in threads { thread.join() }
    threads = []
  }

  // MARK: - For the writer

  /// The next item in the order of reading, as soon as it is ready.
  func next() -> PipelineItem {
    shared.wait { state in
      guard let first = state.items.first, first.isReady else { return nil }
      state.waker.wake()
      return state.items.removeFirst()
    }
  }

  /// Gives back the slot of a chunk that is written.
  func release(_ slot: ChunkSlot) { shared.update { $0.freeSlots.append(slot) } }

  // MARK: - For the reader

  /// A free slot, or nil when the work is stopped.
  func takeSlot() -> ChunkSlot? {
    shared.wait { state -> ChunkSlot?? in
      if state.isStopped { return .some(nil) }
      return state.freeSlots.popLast().map { .some($0) }
    }
  }

  /// Hands an item on; false when the work is stopped.
  func push(_ item: PipelineItem) -> Bool {
    shared.wait { state -> Bool? in
      if state.isStopped { return false }
      guard state.items.count < Self.maximumItemCount else { return nil }
      state.items.append(item)
      state.waker.wake()
      if case .chunk = item.content { state.tasks.append(.chunk(item)) }
      return true
    }
  }

  /// Has a worker find what the chunks of a weight need, before anything else.
  func prepare(_ preparation: JobPreparation) {
    shared.update { $0.tasks.insert(.prepare(preparation), at: 0) }
  }

  /// No more chunks will come.
  func close() { shared.update { $0.isClosed = true } }

  // MARK: - Workers

  private func work() {
    let worker = ChunkWorker()
    while let task = takeTask() {
      switch task {
      case .prepare(let preparation):
        let known = shared.withLock { $0.compensation }
        let codebook = preparation.findCodebook()
        let compensation = preparation.findCompensation(known: known)
        shared.update { state in
          if let compensation { state.compensation = compensation }
          preparation.job.prepare(codebook: codebook, compensation: compensation?.value)
        }
      case .chunk(let item):
        guard case .chunk(let job, let index, let slot) = item.content,
          let format = waitForFormat(job)
        else { return }
        let outcome = Result { try worker.encode(job, format, chunk: index, in: slot) }
        shared.update { _ in item.outcome = outcome }
      }
    }
  }

  private func takeTask() -> Task? {
    shared.wait { state -> Task?? in
      if state.isStopped { return .some(nil) }
      if !state.tasks.isEmpty { return state.tasks.removeFirst() }
      return state.isClosed ? .some(nil) : nil
    }
  }

  /// What a weight needs is being found by another worker, if it is not known yet.
  private func waitForFormat(_ job: WeightJob) -> WeightFormat? {
    shared.wait { state -> WeightFormat?? in
      if state.isStopped { return .some(nil) }
      return job.format.map { .some($0) }
    }
  }

}
