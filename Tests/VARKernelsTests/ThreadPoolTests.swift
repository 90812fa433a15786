import Synchronization
import Testing
import VARKernels
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Parts of work on threads.
@Suite struct ThreadPoolTests {
  /// How often each index of `0..<count` was visited.
  private func visits(
    _ pool: ThreadPool, _ count: Int, minimumPart: Int = 1
  ) -> [Int] {
    var visits = [Int](repeating: 0, count: count)
    visits.withUnsafeMutableBufferPointer { visits in
      let base = visits.baseAddress
      pool.parallel(count, minimumPart: minimumPart) { part in
        for index in part { base![index] += 1 }
      }
    }
    return visits
  }

  @Test(arguments: [1, 2, 3, 7, 64, 256])
  func everyIndexIsVisitedOnce(threadCount: Int) throws {
    let pool = try #require(ThreadPool(threadCount: threadCount))
    for count in Array(0...20) + [63, 64, 65, 255, 256, 257, 1000] {
      for minimumPart in [1, 16, 5000] {
        #expect(
          visits(pool, count, minimumPart: minimumPart).allSatisfy { $0 == 1 },
          "\(count) in parts of \(minimumPart)")
      }
    }
  }

  @Test func manyJobsFollowEachOther() throws {
    let pool = try #require(ThreadPool(threadCount: 3))
    for job in 0..<5000 where !visits(pool, 3 + job % 5).allSatisfy({ $0 == 1 }) {
      Issue.record("job \(job)")
    }
  }

  @Test func nestedWorkRunsInside() throws {
    let pool = try #require(ThreadPool(threadCount: 4))
    var visits = [Int](repeating: 0, count: 8 * 100)
    visits.withUnsafeMutableBufferPointer { visits in
      let base = visits.baseAddress!
      pool.parallel(8) { outer in
        for row in outer {
          pool.parallel(100) { inner in
            for column in inner { base[row * 100 + column] += 1 }
          }
        }
      }
    }
    #expect(visits.allSatisfy { $0 == 1 })
  }

  @Test func callersOnManyThreadsShareAPool() async throws {
    let pool = try #require(ThreadPool(threadCount: 3))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          (0..<500).allSatisfy { _ in visits(pool, 50).allSatisfy { $0 == 1 } }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  /// More threads than any processor here has: most come late, and nobody waits for them.
  @Test func manyThreadsOnFewProcessorsDoEveryJob() throws {
    let pool = try #require(ThreadPool(threadCount: 64))
    for job in 0..<2000 where !visits(pool, 1 + job % 300).allSatisfy({ $0 == 1 }) {
      Issue.record("job \(job)")
    }
  }

  /// Workers sleep between the jobs here, so each job wakes them.
  @Test func sleepersWakeForAJob() throws {
    let pool = try #require(ThreadPool(threadCount: 3))
    for job in 0..<100 {
      usleep(200)
      #expect(visits(pool, 50).allSatisfy { $0 == 1 }, "job \(job)")
    }
  }

  /// The caller's own chunks are done long before the others: it sleeps until the last is.
  @Test func callerWaitsForASlowWorker() throws {
    let pool = try #require(ThreadPool(threadCount: 2))
    let caller = pthread_self()
    let done = Atomic<Int>(0)
    for job in 1...20 {
      pool.parallel(2) { part in
        if pthread_equal(pthread_self(), caller) == 0 { usleep(3000) }
        done.add(part.count, ordering: .relaxed)
      }
      #expect(done.load(ordering: .relaxed) == 2 * job)
    }
  }

  @Test func poolsEndWhileIdleSleepingOrNew() throws {
    for round in 0..<50 {
      let pool = try #require(ThreadPool(threadCount: 2 + round % 5))
      if round % 3 > 0 { #expect(visits(pool, 9).allSatisfy { $0 == 1 }) }
      if round % 3 > 1 { usleep(500) }
    }
  }

  @Test func theDefaultIsWithinTheLimits() {
    #expect((1...256).contains(ThreadPool.defaultThreadCount))
  }
}
