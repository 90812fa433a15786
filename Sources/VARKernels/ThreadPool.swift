import CVARThreads
import Synchronization

/// Work over a range of indices with its operands. A closure would do, but one that captures moves to the heap.
protocol ParallelOperation {
  func run(_ range: Range<Int>)
}

/// A fork-join pool of threads.
///
/// Work is cut into equal contiguous parts, one per thread; which thread does which part never changes a result.
/// Work that comes while the pool is at work, from a part or from another thread, runs on its caller's thread alone.
public final class ThreadPool: @unchecked Sendable {
  private let pool: OpaquePointer
  private let isBusy = Atomic<Bool>(false)
  /// Threads that share the work, the caller's included.
  public let threadCount: Int

  /// Processors that this process may use.
  public static var availableProcessors: Int { Int(cvar_available_processors()) }

  /// - Parameter threadCount: 1...256 threads, the caller's included.
  /// - Returns: nil where the system refuses threads or memory.
  package init?(threadCount: Int) {
    precondition((1...256).contains(threadCount), "1...256 threads")
    guard let pool = cvar_pool_create(Int32(threadCount)) else { return nil }
    self.pool = pool
    self.threadCount = threadCount
  }

  deinit { cvar_pool_destroy(pool) }

  /// Calls `body` with parts of `0..<count`, on all threads at once, and returns when all are done.
  ///
  /// - Parameter minimumPart: less work than this per thread is not worth a thread.
  package func parallel(
    _ count: Int, minimumPart: Int = 1, _ body: (Range<Int>) -> Void
  ) {
    let parts = partCount(count, minimumPart: minimumPart)
    guard parts > 1, !isBusy.exchange(true, ordering: .acquiring) else {
      if count > 0 { body(0..<count) }
      return
    }
    defer { isBusy.store(false, ordering: .releasing) }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        run(count, parts: parts, UnsafeRawPointer(body)) { body, range in
          body.assumingMemoryBound(to: ((Range<Int>) -> Void).self).pointee(range)
        }
      }
    }
  }

  /// The same without any allocation, for what runs many times per token.
  func parallel<Operation: ParallelOperation>(
    _ count: Int, minimumPart: Int = 1, _ operation: Operation
  ) {
    let parts = partCount(count, minimumPart: minimumPart)
    guard parts > 1, !isBusy.exchange(true, ordering: .acquiring) else {
      if count > 0 { operation.run(0..<count) }
      return
    }
    defer { isBusy.store(false, ordering: .releasing) }
    withUnsafePointer(to: operation) { operation in
      run(count, parts: parts, UnsafeRawPointer(operation)) { operation, range in
        operation.assumingMemoryBound(to: Operation.self).pointee.run(range)
      }
    }
  }

  private func partCount(_ count: Int, minimumPart: Int) -> Int {
    min(threadCount, max(1, count / max(1, minimumPart)))
  }

  /// Runs the parts on all threads; the pool is marked busy.
  private func run(
    _ count: Int, parts: Int, _ operands: UnsafeRawPointer,
    _ body: @escaping (UnsafeRawPointer, Range<Int>) -> Void
  ) {
    var job = Job(count: count, parts: parts, operands: operands, body: body)
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
          if !range.isEmpty { job.pointee.body(job.pointee.operands, range) }
        }, context)
    }
  }

  private struct Job {
    let count: Int
    let parts: Int
    let operands: UnsafeRawPointer
    let body: (UnsafeRawPointer, Range<Int>) -> Void
  }
}
