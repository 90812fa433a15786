import Testing
import VARModels
import VARSystem
import VARTestSupport
import VQ4Format

/// Requests share what is kept, and none waits for another.
@Suite struct SharedWeightTests {
  /// The demo model, all of it compressed, so that every residency has blocks to keep.
  private struct Model {
    private let folder = TemporaryDirectory()
    let file: VQ4File
    let tensors: [TensorSpecification]
    let blocks: WeightBlocks
    let comparison: StreamComparison

    init() throws {
      file = try VQ4File(path: DemoFile.copy(.compact, in: folder))
      tensors = try DemoFile.tensors(file)
      blocks = try DemoFile.blocks(file)
      comparison = try StreamComparison(file, blocks)
    }

    func pass(_ phase: WeightPhase) -> WeightPass {
      WeightPass(phase, tensors: tensors, blocks: blocks)
    }

    var sources: WeightSources { WeightSources(file, tensors: tensors, threadCount: 1) }

    func plan(
      _ residency: WeightResidency, _ phase: WeightPhase, budgetBytes: Int? = nil
    ) -> WeightPlan {
      residency.plan(pass(phase), blocks: blocks, budgetBytes: budgetBytes, threadCount: 1)
    }

    func memoryBytes(_ phases: WeightPhase...) -> Int {
      Set(phases.flatMap { pass($0).parts }).reduce(0) { $0 + (blocks[$1]?.memoryBytes ?? 0) }
    }

    /// What differs in a phase's weights.
    func differences(_ source: any WeightSource, _ phase: WeightPhase) throws -> [String] {
      var differences: [String] = []
      for part in pass(phase).parts {
        try source.acquire(part)
        differences += comparison.differences(source, part)
        source.release(part)
      }
      return differences
    }
  }

  private let first = WeightRequest(id: 1)
  private let second = WeightRequest(id: 2)

  /// A plan has room for its own blocks: those of another request are counted on that one's plan, and stay.
  @Test(arguments: [WeightResidency.map, .load])
  func whatAnotherRequestNeedsStays(residency: WeightResidency) throws {
    let model = try Model()
    let store = WeightStore(model.blocks, residency, threadCount: 1)
    try store.begin(model.pass(.vision(pictureCount: 1)), for: first)
    let plan = model.plan(residency, .decoding)
    try store.begin(
      model.plan(residency, .decoding, budgetBytes: plan.minimumBytes), for: second
    ) { _, _ in }
    #expect(try model.differences(store, .decoding) == [])
    #expect(try model.differences(store, .vision(pictureCount: 1)) == [])
    store.end(first)
    // Now nobody needs the first one's.
    try store.begin(
      model.plan(residency, .decoding, budgetBytes: plan.minimumBytes), for: second
    ) { _, _ in }
    #expect(store.retainedBytes <= plan.minimumBytes)
    #expect(try model.differences(store, .decoding) == [])
  }

  @Test(arguments: [WeightResidency.map, .load])
  func requestsAtOnceShareTheirBlocks(residency: WeightResidency) throws {
    let model = try Model()
    let store = WeightStore(model.blocks, residency, threadCount: 1)
    let plan = model.plan(residency, .decoding)
    let results = Guarded { _ in [[String]]() }
    let threads = try (1...3).map { id in
      try #require(
        JoinableThread {
          let found = Result {
            try store.begin(plan, for: WeightRequest(id: id)) { _, _ in }
            return try model.differences(store, .decoding)
          }
          results.withLock { $0.append((try? found.get()) ?? ["\(found)"]) }
        })
    }
    for thread in threads { thread.join() }
    #expect(results.withLock { $0 } == [[], [], []])
    // Raw streams are used in place.
    let own =
      residency == .map ? plan.minimumBytes - plan.stagingBytes : model.memoryBytes(.decoding)
    #expect(store.retainedBytes == own)
  }

  /// Blocks of phases that are over go when their memory is wanted, the last of the file first.
  @Test func unneededBlocksGoFirst() throws {
    let model = try Model()
    let store = WeightStore(model.blocks, .load, threadCount: 1)
    let vision = model.pass(.vision(pictureCount: 1))
    try store.begin(vision, for: first)
    let plan = model.plan(.load, .decoding)
    let last = try #require(vision.parts.last.flatMap { model.blocks[$0] })
    let room = model.memoryBytes(.vision(pictureCount: 1)) - last.memoryBytes
    try store.begin(model.pass(.decoding), budgetBytes: plan.minimumBytes + room, for: first)
    #expect(store.retainedBytes == model.memoryBytes(.decoding) + room)
    var readBytes: Int?
    try store.begin(vision, for: first) { readBytes = $1 }
    #expect(readBytes == last.storedBytes)
    #expect(try model.differences(store, .vision(pictureCount: 1)) == [])
  }

  // MARK: All stores of a file

  @Test func whatIsRetainedIsNotReadAgain() throws {
    let model = try Model()
    let sources = model.sources
    #expect(sources.retainedBytes == 0)
    let store = sources.source(.load)
    let plan = model.plan(.load, .decoding)
    try store.begin(plan, for: first) { _, _ in }
    store.end(first)
    #expect(sources.retainedBytes == model.memoryBytes(.decoding))
    for request in [first, second] {
      try sources.source(.load).begin(plan, for: request) { _, _ in Issue.record("read again") }
    }
    #expect(sources.retainedBytes == model.memoryBytes(.decoding))
  }

  @Test func whatNoRequestNeedsIsReleased() throws {
    let model = try Model()
    let sources = model.sources
    let store = sources.source(.load)
    for phase in [WeightPhase.vision(pictureCount: 1), .decoding] {
      try store.begin(model.plan(.load, phase), for: first) { _, _ in }
    }
    #expect(
      sources.retainedBytes == model.memoryBytes(.vision(pictureCount: 1), .decoding))
    sources.releaseUnused()
    #expect(sources.retainedBytes == model.memoryBytes(.decoding))
    #expect(try model.differences(store, .decoding) == [])
    store.end(first)
    sources.releaseUnused()
    #expect(sources.retainedBytes == 0)
    var steps = 0
    try store.begin(model.plan(.load, .decoding), for: first) { _, _ in steps += 1 }
    #expect(steps > 0)
    #expect(try model.differences(store, .decoding) == [])
  }

  /// A ring stays for the next request that streams, unless its memory is wanted before.
  @Test func aRingThatNobodyUsesIsReleased() throws {
    let model = try Model()
    let sources = model.sources
    let store = sources.source(.stream)
    let phase = WeightPhase.drawing(scaleCount: 3)
    let least = model.plan(.stream, phase, budgetBytes: 0).minimumBytes
    let plan = model.plan(.stream, phase, budgetBytes: least)
    #expect(plan.ringBytes > 0)
    for request in [first, second] {
      try store.begin(plan, for: request) { _, _ in }
      for _ in 0..<3 { #expect(try model.differences(store, phase) == []) }
      sources.releaseUnused()
      #expect(try model.differences(store, phase) == [])
      store.end(request)
      #expect(sources.retainedBytes >= plan.ringBytes)
      sources.releaseUnused()
      #expect(sources.retainedBytes == 0)
    }
  }

  /// There are never two stores of a residency, whoever comes and goes meanwhile.
  @Test func aStoreGoesWhenNobodyHoldsIt() throws {
    let model = try Model()
    let sources = model.sources
    let weights = try ModelWeights(source: sources.source(.load), tensors: model.tensors)
    let others = try ModelWeights(source: sources.source(.load), tensors: model.tensors)
    weak let store = sources.source(.load)
    try weights.begin(model.plan(.load, .decoding), for: first) { _, _ in }
    try others.begin(model.plan(.load, .vision(pictureCount: 1)), for: second) { _, _ in }
    weights.use(.stream, of: sources, for: first)
    #expect(store != nil && store === sources.source(.load))
    #expect(sources.retainedBytes == model.memoryBytes(.vision(pictureCount: 1)))
    try #expect(model.differences(#require(store), .vision(pictureCount: 1)) == [])
    others.use(.stream, of: sources, for: second)
    #expect(store == nil)
    #expect(sources.retainedBytes == 0)
  }
}
