import VARSystem

/// Work over a range of indices with its operands. A closure would do, but one that captures moves to the heap.
protocol ParallelOperation {
  func run(_ range: Range<Int>)
}

/// Ranges of indices on all threads.
///
/// Threads take chunks of a range as they come free (`ChunkSchedule`); which thread does which part never changes a
/// result. Work that comes while the pool is at work, from a part or from another thread, runs on its caller's thread
/// alone.
extension ThreadPool {
  /// Calls `body` with parts of `0..<count`, on all threads at once, and returns when all are done. What `body`
  /// captures is copied to the heap.
  ///
  /// - Parameters:
  ///   - minimumPart: less work than this per thread is not worth a thread.
  ///   - grain: parts begin at its multiples.
  package func parallel(
    _ count: Int, minimumPart: Int = 1, grain: Int = 1, _ body: (Range<Int>) -> Void
  ) {
    let isShared = withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        share(count, minimumPart, grain, UnsafeRawPointer(body)) { body, range in
          body.assumingMemoryBound(to: ((Range<Int>) -> Void).self).pointee(range)
        }
      }
    }
    if !isShared, count > 0 { body(0..<count) }
  }

  /// The same without any allocation, for what runs many times per token.
  func parallel<Operation: ParallelOperation>(
    _ count: Int, minimumPart: Int = 1, grain: Int = 1, _ operation: Operation
  ) {
    let isShared = withUnsafePointer(to: operation) { operation in
      share(count, minimumPart, grain, UnsafeRawPointer(operation)) { operation, range in
        operation.assumingMemoryBound(to: Operation.self).pointee.run(range)
      }
    }
    if !isShared, count > 0 { operation.run(0..<count) }
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

  /// A job as each of its chunks finds it.
  private struct Job {
    let schedule: ChunkSchedule
    let operands: UnsafeRawPointer
    let body: (UnsafeRawPointer, Range<Int>) -> Void
  }

  /// Does the work on all threads; false, with nothing done, where it is not worth them or they are at work.
  private func share(
    _ count: Int, _ minimumPart: Int, _ grain: Int, _ operands: UnsafeRawPointer,
    _ body: @escaping (UnsafeRawPointer, Range<Int>) -> Void
  ) -> Bool {
    let parts = min(threadCount, max(1, count / max(1, minimumPart)))
    guard parts > 1 else { return false }
    // A chunk costs some 0.1 us, so it may be a small part of what is worth a thread.
    let schedule = ChunkSchedule(
      count: count, parts: parts, smallest: max(1, minimumPart / 4), grain: grain)
    var job = Job(schedule: schedule, operands: operands, body: body)
    return withUnsafeMutablePointer(to: &job) { job in
      run(chunkCount: schedule.chunkCount, context: job) { context, chunk in
        let job = context!.assumingMemoryBound(to: Job.self)
        let range = job.pointee.schedule.range(Int(chunk))
        if !range.isEmpty { job.pointee.body(job.pointee.operands, range) }
      }
    }
  }
}
