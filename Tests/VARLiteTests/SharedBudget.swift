import Testing
import VARLite
import VARSystem

/// Opens once; who comes before waits.
final class Gate: Sendable {
  private let isOpen = Guarded<Bool> { _ in false }

  func open() { isOpen.update { $0 = true } }

  /// - Returns: false where it has stayed shut for half a minute.
  @discardableResult func pass() -> Bool { Patience.wait { isOpen.withLock { $0 } } }
}

/// Waits for what must come, however slow the machine is.
enum Patience {
  /// - Returns: false where a condition is not fulfilled within half a minute.
  static func wait(until condition: () -> Bool) -> Bool {
    let end = MonotonicClock.seconds() + 30
    return Guarded<Void> { _ in }.wait(milliseconds: 1) { _ -> Bool? in
      if condition() { return true }
      return MonotonicClock.seconds() < end ? nil : false
    }
  }
}

/// Notes of several threads, in the order in which they came.
final class Notebook<Note: Sendable>: Sendable {
  private let written = Guarded<[Note]> { _ in [] }

  func write(_ note: Note) { written.withLock { $0.append(note) } }
  var notes: [Note] { written.withLock { $0 } }
}

/// A request on a thread of its own, where its events are seen as well.
final class Running: Sendable {
  private let thread: JoinableThread?
  private let end = Notebook<Result<Response, VARLiteError>>()

  init(
    _ model: Model, _ request: Request, stop: StopSignal = StopSignal(),
    events: @escaping @Sendable (Event) -> Void = { _ in }
  ) {
    let end = end
    thread = JoinableThread(stackBytes: 2 << 20) {
      end.write(
        Result { () throws(VARLiteError) in
          try model.run(request, stop: stop, events: events)
        })
    }
  }

  /// Waits for the end, once.
  func response() throws -> Response {
    thread?.join()
    return try #require(end.notes.first).get()
  }

  /// The same for a request that fails.
  func failure() throws -> VARLiteError {
    thread?.join()
    guard case .failure(let error) = try #require(end.notes.first) else {
      throw VARLiteError(.request, "the request was answered")
    }
    return error
  }
}

/// Models of one runtime whose requests have a stated memory.
struct SharedBudget {
  let runtime: Runtime
  let models: [Model]

  /// What a request claims.
  static func bytes(_ plan: RequestPlan) -> Int {
    plan.anonymousPeakByteCount - plan.program.anonymousByteCount
  }

  /// What the program is said to take by itself: what it really takes changes with the tests beside this one.
  private static let program = ProcessMemory.unknown

  /// - Parameters:
  ///   - request: the measure; it must be one that takes the same whatever there is.
  ///   - share: times the request's memory that all requests together may take.
  ///   - promptCache: what is kept of prompts, which is part of what a request takes.
  init(
    _ paths: [String], residency: Residency, share: Double, of request: Request,
    threadCount: Int = 2, promptCache: Model.PromptCache = .init(.nothing)
  ) throws {
    func open(_ budgetBytes: Int) throws -> SharedBudget {
      let runtime = try Runtime(
        options: Runtime.Options(threadCount: threadCount, memoryBudgetBytes: budgetBytes),
        processMemory: { Self.program })
      let options = Model.Options(residency: residency, promptCache: promptCache)
      return SharedBudget(
        runtime: runtime, models: try paths.map { try runtime.open($0, options: options) })
    }
    let plan = try open(1 << 40).models[0].plan(request)
    self = try open(Self.program.byteCount + Int(Double(Self.bytes(plan)) * share))
  }

  private init(runtime: Runtime, models: [Model]) {
    (self.runtime, self.models) = (runtime, models)
  }

  /// Waits until so many requests wait.
  func queues(_ count: Int) -> Bool {
    Patience.wait { runtime.snapshot.queuedCount == count }
  }
}
