import CVARSystem
import Synchronization

/// A fork-join pool of threads.
///
/// The pool does one job at a time. A job comes in chunks, which the threads take as they come free.
package final class ThreadPool: @unchecked Sendable {
  private let pool: OpaquePointer
  private let isBusy = Atomic<Bool>(false)
  /// Threads that share the work, the caller's included.
  package let threadCount: Int

  /// Threads that work takes by default, 1...256: one for each fast core that this process may use, as its processor
  /// mask and the quota of its control group allow. Slow cores beside fast ones are left out.
  package static var defaultThreadCount: Int {
    var processors = cvar_processors()
    cvar_process_processors(&processors)
    return min(max(Int(processors.thread_count), 1), 256)
  }

  /// - Parameter threadCount: 1...256 threads, the caller's included.
  /// - Returns: nil where the system refuses threads or memory.
  package init?(threadCount: Int) {
    precondition((1...256).contains(threadCount), "1...256 threads")
    guard let pool = cvar_pool_create(Int32(threadCount)) else { return nil }
    self.pool = pool
    self.threadCount = threadCount
  }

  deinit { cvar_pool_destroy(pool) }

  /// Does one chunk of a job, on any thread.
  package typealias ChunkBody =
    @convention(c) (_ context: UnsafeMutableRawPointer?, _ chunk: Int32) -> Void

  /// Does the chunks `0..<chunkCount`, begun in this order, on all threads, and returns when all are done. Allocates
  /// nothing.
  ///
  /// - Returns: false, with nothing done, where the pool is at work: the call came from a chunk or from another thread.
  package func run(
    chunkCount: Int, context: UnsafeMutableRawPointer, _ body: ChunkBody
  ) -> Bool {
    guard !isBusy.exchange(true, ordering: .acquiring) else { return false }
    defer { isBusy.store(false, ordering: .releasing) }
    cvar_pool_run(pool, Int32(chunkCount), body, context)
    return true
  }
}
