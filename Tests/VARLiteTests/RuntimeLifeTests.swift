import Testing
import VARLite
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Opening, closing, and what is left behind.
@Suite struct RuntimeLifeTests {
  private static let short = Request("Who are you?", sampling: TextSampling(maximumTokens: 1))

  private static var threadCount: Int {
    TemporaryDirectory.names(of: "/proc/self/task").count
  }

  /// Descriptors and mappings of a file.
  private static func uses(of path: String) -> Int {
    let maps = (try? Fixtures.readFile("/proc/self/maps")) ?? []
    let mappings = String(decoding: maps, as: UTF8.self).split(separator: "\n")
      .count { $0.hasSuffix(path) }
    let descriptors = TemporaryDirectory.names(of: "/proc/self/fd").count { name in
      var target = [CChar](repeating: 0, count: 4096)
      let count = readlink("/proc/self/fd/\(name)", &target, target.count - 1)
      guard count > 0 else { return false }
      return target.prefix(count).map(UInt8.init(bitPattern:)).elementsEqual(path.utf8)
    }
    return mappings + descriptors
  }

  /// Other tests have threads too, but not a thread more with every round.
  @Test func aHundredRuntimesLeaveNothingBehind() throws {
    let folder = TemporaryDirectory()
    folder.write(
      "m.vq4", try Fixtures.readFile(TinyModel.path(recipe: "balanced", layout: .compact)))
    let path = folder.file("m.vq4")
    let before = Self.threadCount
    for round in 0..<100 {
      let residency = [Residency.map, .load, .stream][round % 3]
      let runtime = try Runtime(options: Runtime.Options(threadCount: 2))
      let model = try runtime.open(path, options: Model.Options(residency: residency))
      if round % 2 == 0 {
        _ = try model.run(Self.short)
      } else {
        _ = try model.submit(Self.short).wait()
      }
      if round % 4 == 0 { _ = try ChatSession(model).run(Self.short) }
      // The others go with their last reference.
      if round % 5 > 0 { runtime.close() }
    }
    #expect(Patience.wait { Self.uses(of: path) == 0 })
    #expect(Patience.wait { Self.threadCount < before + 80 })
  }

  /// Models that come and go beside another one do not use the budget up.
  @Test func modelsThatAreClosedTakeNothing() throws {
    let runtime = try Runtime(options: Runtime.Options(threadCount: 1))
    let path = try TinyModel.path(recipe: "balanced")
    let first = try runtime.open(path)
    let program = try first.plan(Self.short).program
    for _ in 0..<20 {
      let other = try runtime.open(path)
      #expect(try other.plan(Self.short).program.byteCount >= program.byteCount)
    }
    #expect(try first.plan(Self.short).program == program)
  }

  /// Running and waiting jobs end, and `close` returns; then every call says so.
  @Test func closingEndsAllJobs() throws {
    var long = Request("A red circle.", drawing: DrawingRequest(size: .pixels(512), seed: 1))
    long.drawing?.start = .atOnce
    let shared = try SharedBudget(
      [TinyModel.path(recipe: "f32")], residency: .map, share: 1.5, of: long)
    let (runtime, model) = (shared.runtime, shared.models[0])
    let jobs = try (0..<4).map { _ in try model.submit(long) }
    try #require(shared.queues(3))
    // A job that has its memory says a moment later that it runs.
    #expect(Patience.wait { jobs.count { $0.snapshot.state == .waiting } == 3 })
    let chat = try ChatSession(model)
    runtime.close()
    for job in jobs {
      let error = try #require(throws: VARLiteError.self) { try job.wait() }
      #expect([.cancelled, .closed].contains(error.category))
      #expect(job.snapshot.state == .failed)
    }
    let end = runtime.snapshot
    #expect(end.runningCount == 0 && end.queuedCount == 0 && end.claimedBytes == 0)
    let calls: [() throws -> Void] = [
      { _ = try model.run(Self.short) }, { _ = try model.submit(Self.short) },
      { _ = try model.plan(Self.short) }, { try model.requireFit(Self.short) },
      { _ = try ChatSession(model) }, { _ = try chat.run(Self.short) },
      { _ = try runtime.open(model.path) },
      { _ = try model.reconstruct(TinyModel.picture("scene_0")) },
    ]
    for call in calls {
      let error = try #require(throws: VARLiteError.self) { try call() }
      #expect(error.category == .closed)
    }
    runtime.close()
  }

  /// Threads that submit while another one closes: each job ends, none outlives the runtime.
  @Test func closingWhileOthersSubmit() throws {
    for _ in 0..<20 {
      let runtime = try Runtime(options: Runtime.Options(threadCount: 1))
      let model = try runtime.open(TinyModel.path(recipe: "balanced"))
      let jobs = Notebook<Job>()
      let threads = (0..<3).map { _ in
        JoinableThread {
          while let job = try? model.submit(Self.short) { jobs.write(job) }
        }
      }
      _ = Patience.wait { jobs.notes.count > 2 }
      runtime.close()
      #expect(jobs.notes.allSatisfy { $0.snapshot.state != .running })
      for thread in threads { thread?.join() }
      for job in jobs.notes {
        let result = Result { try job.wait() }
        if case .failure(let error as VARLiteError) = result {
          #expect([.cancelled, .closed].contains(error.category))
        }
      }
    }
  }

  /// The job's own thread has the last reference to its runtime.
  @Test func theLastReferenceMayGoOnAJobsThread() throws {
    weak var runtime: Runtime?
    let job = try { () throws -> Job in
      let made = try Runtime(options: Runtime.Options(threadCount: 2))
      runtime = made
      return try made.open(TinyModel.path(recipe: "balanced")).submit(Self.short)
    }()
    #expect(try job.wait().tokens.count == 1)
    #expect(Patience.wait { runtime == nil })
  }

  @Test func budgetsBelowNothingAreRefused() {
    for bytes in [-1, Int.min] {
      let error = #expect(throws: VARLiteError.self) {
        try Runtime(options: Runtime.Options(memoryBudgetBytes: bytes))
      }
      #expect(error?.category == .request)
    }
  }
}
