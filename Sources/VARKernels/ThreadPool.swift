import CVARThreads
import Synchronization

/// Work over a range of indices with its operands. A closure would do, but one that captures moves to the heap.
protocol ParallelOperation {
  func run(_ range: Range<Int>)
}

/// A fork-join pool of threads.
///
/// Threads take chunks of the work as they come free (`ChunkSchedule`); which thread does which part never changes a
/// result. Work that comes while the pool is at work, from a part or from another thread, runs on its caller's thread
/// alone.
public final class ThreadPool: @unchecked Sendable {
  private let pool: OpaquePointer
  private let isBusy = Atomic<Bool>(false)
  /// Threads that share the work, the caller's included.
  public let threadCount: Int

  /// Threads that work takes by default, 1...256: one for each fast core that this process may use, as its processor
  /// mask and the quota of its control group allow. Slow cores beside fast ones are left out.
  public static var defaultThreadCount: Int {
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

  /// Calls `body` with parts of `0..<count`, on all threads at once, and returns when all are done. What `body`
  /// captures is copied to the heap.
  ///
  /// - Parameters:
  ///   - minimumPart: less work than this per thread is not worth a thread.
  ///   - grain: parts begin at its multiples.
  package func parallel(
    _ count: Int, minimumPart: Int = 1, grain: Int = 1, _ body: (Range<Int>) -> Void
  ) {
    let parts = partCount(count, minimumPart: minimumPart)
    guard parts > 1, !isBusy.exchange(true, ordering: .acquiring) else {
      if count > 0 { body(0..<count) }
      return
    }
    defer { isBusy.store(false, ordering: .releasing) }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        let schedule = schedule(count, parts: parts, minimumPart: minimumPart, grain: grain)
        run(schedule, UnsafeRawPointer(body)) { body, range in
          body.assumingMemoryBound(to: ((Range<Int>) -> Void).self).pointee(range)
        }
      }
    }
  }

  /// The same without any allocation, for what runs many times per token.
  func parallel<Operation: ParallelOperation>(
    _ count: Int, minimumPart: Int = 1, grain: Int = 1, _ operation: Operation
  ) {
    let parts = partCount(count, minimumPart: minimumPart)
    guard parts > 1, !isBusy.exchange(true, ordering: .acquiring) else {
      if count > 0 { operation.run(0..<count) }
      return
    }
    defer { isBusy.store(false, ordering: .releasing) }
    withUnsafePointer(to: operation) { operation in
      let schedule = schedule(count, parts: parts, minimumPart: minimumPart, grain: grain)
      run(schedule, UnsafeRawPointer(operation)) { operation, range in
        operation.assumingMemoryBound(to: Operation.self).pointee.run(range)
      }
    }
  }

  /// The same with operands that a body without captures gets: it allocates nothing either.
  func parallel<Operands>(
    _ count: Int, minimumPart: Int = 1, grain: Int = 1, with operands: Operands,
    _ body: @escaping (Operands, Range<Int>) -> Void
  ) {
    parallel(
      count, minimumPart: minimumPart, grain: grain,
      BoundOperation(operands: operands, body: body))
  }

  private struct BoundOperation<Operands>: ParallelOperation {
    let operands: Operands
    let body: (Operands, Range<Int>) -> Void

    func run(_ range: Range<Int>) { body(operands, range) }
  }

  private func partCount(_ count: Int, minimumPart: Int) -> Int {
    min(threadCount, max(1, count / max(1, minimumPart)))
  }

  /// A chunk costs some 0.1 us, so it may be a small part of what is worth a thread.
  private func schedule(
    _ count: Int, parts: Int, minimumPart: Int, grain: Int
  ) -> ChunkSchedule {
    ChunkSchedule(count: count, parts: parts, smallest: max(1, minimumPart / 4), grain: grain)
  }

  /// Does the chunks on all threads; the pool is marked busy.
  private func run(
    _ schedule: ChunkSchedule, _ operands: UnsafeRawPointer,
    _ body: @escaping (UnsafeRawPointer, Range<Int>) -> Void
  ) {
    var job = Job(schedule: schedule, operands: operands, body: body)
    withUnsafeMutablePointer(to: &job) { context in
      cvar_pool_run(
        pool, Int32(schedule.chunkCount),
        { context, chunk in
          let job = context!.assumingMemoryBound(to: Job.self)
          let range = job.pointee.schedule.range(Int(chunk))
          if !range.isEmpty { job.pointee.body(job.pointee.operands, range) }
        }, context)
    }
  }

  private struct Job {
    let schedule: ChunkSchedule
    let operands: UnsafeRawPointer
    let body: (UnsafeRawPointer, Range<Int>) -> Void
  }
}
