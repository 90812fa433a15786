import Testing
import VARSystem

/// A value behind a lock.
@Suite struct GuardedTests {
  private struct Counter: ~Copyable, Sendable {
    let waker: Waker
    var count = 0
  }

  @Test func oneThreadAtATimeHasTheValue() throws {
    let counter = Guarded { Counter(waker: $0) }
    let threads = try (0..<4).map { _ in
      try #require(
        JoinableThread { for _ in 0..<10_000 { counter.withLock { $0.count += 1 } } })
    }
    for thread in threads { thread.join() }
    #expect(counter.withLock { $0.count } == 40_000)
  }

  @Test func whoWaitsSeesEveryChange() throws {
    let counter = Guarded { Counter(waker: $0) }
    let thread = try #require(
      JoinableThread {
        for step in 0..<100 {
          counter.wait { counter -> Void? in
            guard counter.count == 2 * step else { return nil }
            counter.count += 1
            counter.waker.wake()
            return ()
          }
        }
      })
    for step in 0..<100 {
      counter.wait { counter -> Void? in
        guard counter.count == 2 * step + 1 else { return nil }
        counter.count += 1
        counter.waker.wake()
        return ()
      }
    }
    thread.join()
    #expect(counter.withLock { $0.count } == 200)
  }

  @Test func aWaitLooksAgainAfterItsTime() {
    let counter = Guarded { Counter(waker: $0) }
    let start = MonotonicClock.seconds()
    let count = counter.wait(milliseconds: 10) { counter -> Int? in
      counter.count += 1
      return counter.count == 3 ? counter.count : nil
    }
    #expect(count == 3 && MonotonicClock.seconds() - start >= 0.019)
  }
}
