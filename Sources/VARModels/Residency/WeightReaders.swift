import VARSystem
import VQ4Format

/// The threads of a store: those that read and decode blocks, in the order in which they are asked for, and one that
/// has the system provide memory ahead of them. Reading and decoding overlap, because there are more threads than
/// cores.
final class WeightReaders: Sendable {
  private let state: Guarded<StoreState>
  private let direct: VQ4DirectFile
  private let readerCount: Int

  /// Readers for a number of threads that compute.
  static func count(threadCount: Int) -> Int { min(max(2 * threadCount, 2), 16) }

  init(_ state: Guarded<StoreState>, _ direct: VQ4DirectFile, threadCount: Int) {
    self.state = state
    self.direct = direct
    readerCount = Self.count(threadCount: threadCount)
  }

  /// Nothing may be written to memory that goes.
  deinit {
    let threads = state.withLock { state in
      state.reads.end()
      return state.threads
    }
    for thread in threads { thread.join() }
  }

  /// Memory that the threads take.
  static func memoryBytes(_ file: VQ4File, threadCount: Int) -> Int {
    count(threadCount: threadCount)
      * (VQ4ChunkReader.stagingBytes(file) + VQ4ChunkReader.memoryBytes(file))
  }

  /// Starts the threads when something is first to be read.
  func start() throws(ModelError) {
    try state.withLock { state throws(ModelError) in
      guard !state.reads.isIdle, state.threads.count <= readerCount else { return }
      // One block for all: huge pages are larger than a place.
      let placeBytes = VQ4ChunkReader.stagingBytes(direct.file)
      if state.staging == nil { state.staging = try .forWeights(readerCount * placeBytes) }
      while state.threads.count <= readerCount, let staging = state.staging {
        let number = state.threads.count
        let thread = JoinableThread { [state = self.state, direct, readerCount] in
          if number == readerCount { return Self.touch(state) }
          let place = staging.base + number * placeBytes
          Self.read(
            state,
            VQ4ChunkReader(direct, staging: .init(start: place, count: placeBytes)))
        }
        guard let thread else { break }
        state.threads.append(thread)
      }
      guard !state.threads.isEmpty else {
        throw ModelError(.outOfMemory, "the system refused a thread that reads weights")
      }
    }
  }

  /// Reads batches until the end.
  private static func read(_ state: Guarded<StoreState>, _ reader: VQ4ChunkReader) {
    while let (batch, base) = state.wait({ $0.reads.take() }) {
      var failure: ModelError?
      do throws(VQ4Error) {
        try reader.read(batch.targets, into: base)
      } catch {
        failure = ModelError(reading: error)
      }
      state.withLock { $0.reads.finish(batch, failure) }
    }
  }

  /// Touches memory until the end, or until the system refuses: clearing a page, or getting it from the host of a virtual machine, takes about
  /// as long as reading one from a fast disk.
  private static func touch(_ state: Guarded<StoreState>) {
    while let (load, pages) = state.wait({ $0.reads.takeUntouched() }) {
      let isProvided = AnonymousMemory.provide(pages)
      state.withLock { $0.reads.finishTouching(load, isProvided: isProvided) }
    }
  }
}
