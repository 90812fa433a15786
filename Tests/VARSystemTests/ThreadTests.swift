import Synchronization
import Testing
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Threads, what they wait for, and the time they take.
@Suite struct ThreadTests {
  @Test(arguments: [JoinableThread.stackBytes, 3 << 20])
  func threadsHaveTheStackThatIsStated(byteCount: Int) throws {
    let size = Atomic<Int>(0)
    // The last pages of a stack belong to its guard or to the C library.
    try withExtendedLifetime(size) {
      let thread = try #require(
        JoinableThread(stackBytes: byteCount) {
          withUnsafeTemporaryAllocation(byteCount: byteCount - (128 << 10), alignment: 64) {
            for offset in stride(from: 0, to: $0.count, by: 4096) { $0[offset] = 1 }
            size.store($0.count, ordering: .releasing)
          }
        })
      thread.join()
    }
    #expect(size.load(ordering: .acquiring) == byteCount - (128 << 10))
  }

  @Test func aDetachedThreadRunsToItsEnd() throws {
    let isDone = Guarded { _ in false }
    let thread = try #require(JoinableThread { isDone.update { $0 = true } })
    thread.detach()
    isDone.wait { $0 ? () : nil }
  }

  @Test func aPoolThatIsAtWorkRefuses() throws {
    let pool = try #require(ThreadPool(threadCount: 3))
    final class Counts: Sendable {
      let pool: ThreadPool
      let chunks = Atomic<Int>(0)
      let refusals = Atomic<Int>(0)
      init(_ pool: ThreadPool) { self.pool = pool }
    }
    let counts = Counts(pool)
    let context = Unmanaged.passUnretained(counts).toOpaque()
    let isDone = pool.run(chunkCount: 100, context: context) { context, _ in
      let counts = Unmanaged<Counts>.fromOpaque(context!).takeUnretainedValue()
      counts.chunks.add(1, ordering: .relaxed)
      if !counts.pool.run(chunkCount: 5, context: context!, { _, _ in }) {
        counts.refusals.add(1, ordering: .relaxed)
      }
    }
    #expect(isDone)
    #expect(counts.chunks.load(ordering: .relaxed) == 100)
    #expect(counts.refusals.load(ordering: .relaxed) == 100)
  }

  @Test func timeNeverGoesBack() {
    var last = MonotonicClock.seconds()
    for _ in 0..<1000 {
      let next = MonotonicClock.seconds()
      #expect(next >= last)
      last = next
    }
  }
}
