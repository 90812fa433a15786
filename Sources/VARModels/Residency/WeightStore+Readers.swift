import VARSystem
import VQ4Format

/// The threads of a store: those that read and decode blocks, in the order in which they are asked for, and one that
/// has the system provide memory ahead of them. Reading and decoding overlap, because there are more threads than
/// cores.
extension WeightStore {
  /// Memory that the threads take.
  static func readerBytes(_ file: VQ4File, threadCount: Int) -> Int {
    WeightSources.readerCount(threadCount: threadCount)
      * (VQ4ChunkReader.stagingBytes(file) + VQ4ChunkReader.memoryBytes(file))
  }

  /// Starts the threads when something is first to be read.
  func startReaders() throws(ModelError) {
    let readerCount = WeightSources.readerCount(threadCount: threadCount)
    try state.withLock { state throws(ModelError) in
      guard !state.reads.isIdle, state.threads.count <= readerCount else { return }
      // One block for all: huge pages are larger than a place.
      let placeBytes = VQ4ChunkReader.stagingBytes(file)
      let (readWaker, touchWaker) = (state.reads.readWaker, state.reads.touchWaker)
      if state.staging == nil { state.staging = try .forWeights(readerCount * placeBytes) }
      while state.threads.count <= readerCount, let staging = state.staging {
        let number = state.threads.count
        let thread = JoinableThread { [state = self.state, direct] in
          if number == readerCount { return Self.touch(state, touchWaker) }
          let place = UnsafeMutableRawBufferPointer(
            start: staging.base + number * placeBytes, count: placeBytes)
          Self.read(state, readWaker, VQ4ChunkReader(direct, staging: place))
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
  private static func read(
    _ state: Guarded<StoreState>, _ waker: Waker, _ reader: VQ4ChunkReader
  ) {
    while let (batch, base) = state.wait(for: waker, { $0.reads.take() }) {
      var failure: ModelError?
      do throws(VQ4Error) {
        try reader.read(batch.targets, into: base)
      } catch {
        failure = ModelError(reading: error)
      }
      state.withLock { $0.reads.finish(batch, failure) }
    }
  }

  /// Touches memory until the end, or until the system refuses: clearing a page, or getting it from the host of a
  /// virtual machine, takes about as long as reading one from a fast disk.
  private static func touch(_ state: Guarded<StoreState>, _ waker: Waker) {
    while let (load, pages) = state.wait(for: waker, { $0.reads.takeUntouched() }) {
      let isProvided = AnonymousMemory.provide(pages)
      state.withLock { $0.reads.finishTouching(load, isProvided: isProvided) }
    }
  }

  /// Ends the threads, and returns when they have ended.
  func stopReaders() {
    let threads = state.withLock { state in
      state.reads.end()
      return state.threads
    }
    for thread in threads { thread.join() }
  }
}
