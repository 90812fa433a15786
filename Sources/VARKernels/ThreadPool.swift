import CVARThreads

/// A fork-join pool of threads for one computation at a time.
///
/// Work is cut into equal contiguous parts, one per thread; which thread does which part never changes a result.
public final class ThreadPool: @unchecked Sendable {
  private let pool: OpaquePointer
  public let threadCount: Int

  /// Processors that this process may use.
  public static var availableProcessors: Int { Int(cvar_available_processors()) }

  /// - Parameter threadCount: 1...256 threads, the caller's included.
  /// - Returns: nil where the system refuses threads or memory.
  public init?(threadCount: Int) {
    precondition((1...256).contains(threadCount), "1...256 threads")
    guard let pool = cvar_pool_create(Int32(threadCount)) else { return nil }
    self.pool = pool
    self.threadCount = threadCount
  }

  deinit { cvar_pool_destroy(pool) }

  /// Calls `body` with parts of `0..<count`, on all threads at once, and returns when all are done.
  ///
  /// - Parameter minimumPart: less work than this per thread is not worth a thread.
  public func parallel(
    _ count: Int, minimumPart: Int = 1, _ body: (Range<Int>) -> Void
  ) {
    let parts = min(threadCount, max(1, count / max(1, minimumPart)))
    guard parts > 1 else {
      if count > 0 { body(0..<count) }
      return
    }
    withoutActuallyEscaping(body) { body in
      var job = Job(count: count, parts: parts, body: body)
      withUnsafeMutablePointer(to: &job) { context in
        cvar_pool_run(
          pool,
          { context, thread, _ in
            let job = context!.assumingMemoryBound(to: Job.self)
            let part = Int(thread)
            let parts = job.pointee.parts
            guard part < parts else { return }
            let count = job.pointee.count
            let range = (count * part / parts)..<(count * (part + 1) / parts)
            if !range.isEmpty { job.pointee.body(range) }
          }, context)
      }
    }
  }

  private struct Job {
    let count: Int
    let parts: Int
    let body: (Range<Int>) -> Void
  }
}
