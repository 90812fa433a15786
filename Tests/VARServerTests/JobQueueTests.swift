import Synchronization
import Testing
import VARServer

/// Places in the queue.
@Suite struct JobQueueTests {
  private let pictures = JobQueue.Lane(model: "a", draws: true)
  private let texts = JobQueue.Lane(model: "a", draws: false)

  @Test func oneRunsAndTheOthersWaitInOrder() async throws {
    let queue = JobQueue(maximumLength: 2)
    let first = try queue.join(pictures)
    try await first.turn()
    let (second, third) = (try queue.join(pictures), try queue.join(pictures))
    #expect([first, second, third].map(\.place) == [0, 1, 2])
    #expect(throws: APIError.self) { try queue.join(pictures) }
    // A question waits for no picture.
    let question = try queue.join(texts)
    try await question.turn()
    let order = Order()
    let last = Task {
      try await third.turn()
      order.note(3)
    }
    let next = Task {
      try await second.turn()
      order.note(2)
      second.leave()
    }
    first.leave()
    try await next.value
    try await last.value
    #expect(order.numbers == [2, 3])
    #expect(queue.runningCount == 2 && queue.waitingCount == 0)
  }

  @Test func whoLeavesGivesThePlaceAway() async throws {
    let queue = JobQueue(maximumLength: 4)
    let first = try queue.join(pictures)
    let second = try queue.join(pictures)
    let waiting = Task { try await second.turn() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(queue.waitingCount == 0)
    // Nobody holds this one.
    _ = try queue.join(pictures)
    #expect(queue.waitingCount == 0)
    first.leave()
    first.leave()
    #expect(queue.runningCount == 0)
    try await queue.join(pictures).turn()
    #expect(queue.runningCount == 0)
  }

  /// What runs counts as well as what waits, and whoever leaves makes room.
  @Test func aClientHasAPartOfTheQueue() throws {
    let queue = JobQueue(maximumLength: 4, maximumPerClient: 2)
    let first = try queue.join(pictures, client: 0)
    let second = try queue.join(pictures, client: 0)
    let error = #expect(throws: APIError.self) { try queue.join(texts, client: 0) }
    #expect(error?.status == 429 && error?.code == "rate_limit_exceeded")
    // Other clients, and nobody by name, have places of their own.
    let others = try [1, nil, nil].map { try queue.join(pictures, client: $0) }
    #expect(others.map(\.place) == [2, 3, 4])
    for ticket in [first, second] {
      ticket.leave()
      #expect(throws: Never.self) { try queue.join(texts, client: 0).leave() }
    }
  }

  @Test func aClosedQueueRefuses() async throws {
    let queue = JobQueue(maximumLength: 4)
    let first = try queue.join(pictures)
    let second = try queue.join(pictures)
    queue.close()
    await #expect(throws: APIError.self) { try await second.turn() }
    #expect(throws: APIError.self) { try queue.join(texts) }
    try await first.turn()
    #expect(queue.runningCount == 1)
  }
}

/// Who had its turn.
private final class Order: Sendable {
  private let list = Mutex<[Int]>([])

  func note(_ number: Int) { list.withLock { $0.append(number) } }

  var numbers: [Int] { list.withLock { $0 } }
}
