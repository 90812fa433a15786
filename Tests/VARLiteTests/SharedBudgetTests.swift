import Testing
import VARLite
import VARSystem
import VARTestSupport

/// Requests of several threads under one budget of memory.
@Suite struct SharedBudgetTests {
  private static func request(seed: UInt64, pixels: Int = 256) -> Request {
    var request = Request(
      "A red circle.", drawing: DrawingRequest(size: .pixels(pixels), cfgScale: 1, seed: seed))
    request.drawing?.start = .atOnce
    return request
  }

  private func path() throws -> String {
    try TinyModel.path(recipe: "balanced", layout: .compact)
  }

  /// Pictures of the requests, each drawn alone.
  private func alone(_ requests: [Request]) throws -> [RGBImage?] {
    let model = try Model(path: path())
    return try requests.map { try model.run($0).picture }
  }

  /// Each waits, in its first event, for the first event of the other.
  @Test(arguments: [Residency.map, .load], [1, 2])
  func requestsThatFitTogetherOverlap(residency: Residency, modelCount: Int) throws {
    let requests = [Self.request(seed: 1), Self.request(seed: 2)]
    let shared = try SharedBudget(
      Array(repeating: try path(), count: modelCount), residency: residency, share: 2.2,
      of: requests[0])
    let gates = [Gate(), Gate()]
    let met = Notebook<Bool>()
    let running = (0..<2).map { index in
      Running(shared.models[index % modelCount], requests[index]) { event in
        guard event.plan != nil else { return }
        gates[index].open()
        met.write(gates[1 - index].pass())
      }
    }
    let pictures = try running.map { try $0.response().picture }
    #expect(met.notes == [true, true])
    #expect(try pictures == alone(requests))
    let end = shared.runtime.snapshot
    #expect(end.claimedBytes == 0 && end.runningCount == 0 && end.queuedCount == 0)
    #expect(end.peakClaimedBytes <= end.budgetBytes ?? 0)
  }

  /// Weights that both keep are counted once: two requests that would not fit apart run at once.
  @Test func requestsOfOneModelShareItsWeights() throws {
    var request = Request("Who are you?")
    request.text.maximumTokens = 2
    let shared = try SharedBudget([path()], residency: .load, share: 1.7, of: request)
    let gates = [Gate(), Gate()]
    let met = Notebook<Bool>()
    let running = (0..<2).map { index in
      Running(shared.models[0], request) { event in
        guard event.plan != nil else { return }
        gates[index].open()
        met.write(gates[1 - index].pass())
        let now = shared.runtime.snapshot
        #expect(now.claimedBytes <= now.budgetBytes ?? 0)
      }
    }
    for one in running { _ = try one.response() }
    #expect(met.notes == [true, true])
  }

  /// The first is held in its first event until three wait.
  @Test(arguments: [1, 2])
  func whoDoesNotFitWaitsInOrder(modelCount: Int) throws {
    let requests = (0..<4).map { Self.request(seed: UInt64($0)) }
    let shared = try SharedBudget(
      Array(repeating: try path(), count: modelCount), residency: .map, share: 1.4,
      of: requests[0])
    let gate = Gate()
    let starts = Notebook<Int>()
    let waits = Notebook<[Int]>()
    var running: [Running] = []
    for (index, request) in requests.enumerated() {
      running.append(
        Running(shared.models[index % modelCount], request) { event in
          if let progress = event.progress, progress.stage == .waiting {
            waits.write([index, progress.total - progress.done])
          }
          guard event.plan != nil else { return }
          starts.write(index)
          if index == 0 { gate.pass() }
        })
      let isThere =
        index == 0
        ? Patience.wait { shared.runtime.snapshot.runningCount == 1 } : shared.queues(index)
      try #require(isThere)
    }
    // Who waits has been told so.
    #expect(Patience.wait { waits.notes.count == 3 })
    #expect(Set(waits.notes) == [[1, 0], [2, 1], [3, 2]])
    #expect(starts.notes == [0])
    var late = Self.request(seed: 9)
    late.whenBusy = .isRefused
    let error = try #require(throws: VARLiteError.self) { try shared.models[0].run(late) }
    #expect(error.category == .busy)
    gate.open()
    let pictures = try running.map { try $0.response().picture }
    #expect(starts.notes == [0, 1, 2, 3])
    #expect(try pictures == alone(requests))
  }

  /// Who waits holds words alone, and leaves soon when it is stopped; those behind it move up.
  @Test(arguments: [StopSignal.Moment.now, .afterScale])
  func whoWaitsIsLightAndLeaves(moment: StopSignal.Moment) throws {
    let request = Self.request(seed: 1)
    let shared = try SharedBudget([path()], residency: .map, share: 1.4, of: request)
    let gate = Gate()
    let first = Running(shared.models[0], request) { if $0.plan != nil { gate.pass() } }
    try #require(Patience.wait { shared.runtime.snapshot.runningCount == 1 })
    let claimed = shared.runtime.snapshot.claimedBytes
    let stop = StopSignal()
    let places = Notebook<Int>()
    let second = Running(shared.models[0], request, stop: stop)
    try #require(shared.queues(1))
    let third = Running(shared.models[0], request) { event in
      if event.progress?.stage == .waiting { places.write(shared.runtime.snapshot.queuedCount) }
    }
    try #require(shared.queues(2) && Patience.wait { places.notes.count == 1 })
    // Nothing is claimed for who waits.
    #expect(shared.runtime.snapshot.claimedBytes == claimed)
    let start = MonotonicClock.seconds()
    stop.stop(moment)
    #expect(try second.failure().category == .cancelled)
    #expect(MonotonicClock.seconds() - start < 1)
    #expect(Patience.wait { places.notes.count == 2 })
    gate.open()
    #expect(try first.response().picture == third.response().picture)
  }

  /// At once, also while another one runs; each remedy by itself makes it fit.
  @Test func whatFitsNotEvenAloneIsRefused() throws {
    let request = Self.request(seed: 1)
    let shared = try SharedBudget([path()], residency: .map, share: 1.5, of: request)
    let model = shared.models[0]
    let gate = Gate()
    let first = Running(model, request) { if $0.plan != nil { gate.pass() } }
    try #require(Patience.wait { shared.runtime.snapshot.runningCount == 1 })
    var large = Self.request(seed: 2, pixels: 1024)
    large.drawing?.cfgScale = 3
    let error = try #require(throws: VARLiteError.self) { try model.run(large) }
    #expect(error.category == .memory)
    let changed = (error.remedies ?? []).compactMap { large.applying($0) }
    #expect(!changed.isEmpty)
    for request in changed { #expect(try model.plan(request).shortfallByteCount == 0) }
    gate.open()
    _ = try first.response()
  }

  /// Of one model one after the other; of two models by what fits.
  @Test(arguments: [1, 2]) func streamsTakeTurns(modelCount: Int) throws {
    let requests = [Self.request(seed: 1), Self.request(seed: 2)]
    let shared = try SharedBudget(
      Array(repeating: try path(), count: modelCount), residency: .stream, share: 3,
      of: requests[0])
    let (gate, notes) = (Gate(), Notebook<String>())
    func run(_ index: Int) -> Running {
      Running(shared.models[index % modelCount], requests[index]) { event in
        guard event.plan != nil else { return }
        notes.write("\(index) runs beside \(shared.runtime.snapshot.runningCount - 1)")
        if index == 0 { gate.pass() }
      }
    }
    let first = run(0)
    try #require(Patience.wait { !notes.notes.isEmpty })
    let second = run(1)
    if modelCount == 1 {
      try #require(shared.queues(1))
    } else {
      try #require(Patience.wait { notes.notes.count == 2 })
    }
    gate.open()
    let pictures = try [first, second].map { try $0.response().picture }
    #expect(notes.notes == ["0 runs beside 0", "1 runs beside \(modelCount - 1)"])
    #expect(try pictures == alone(requests))
  }
}

/// Conversations that hold memory between their turns.
@Suite struct HeldMemoryTests {
  private static func turn(_ text: String = "Who are you?") -> Request {
    Request(text, sampling: TextSampling(maximumTokens: 2))
  }

  /// Opens a runtime in which one conversation fits, but no second one.
  private func shared() throws -> SharedBudget {
    // A conversation of 4096 tokens takes about what such a prompt takes alone.
    try SharedBudget(
      [TinyModel.path(recipe: "f32")], residency: .map, share: 1.9, of: Self.large)
  }

  private static let large = Request("a", sampling: TextSampling(maximumTokens: 4090))

  @Test func whatASessionHoldsCounts() throws {
    let shared = try shared()
    let model = shared.models[0]
    let large = Self.large
    #expect(try model.plan(large).shortfallByteCount == 0)
    var session: ChatSession? = try ChatSession(model, contextTokens: 4096)
    #expect(shared.runtime.snapshot.claimedBytes == 0)
    _ = try session?.run(Self.turn())
    let held = shared.runtime.snapshot
    #expect(held.claimedBytes > 0 && held.runningCount == 0)
    // It would wait for ever.
    let error = try #require(throws: VARLiteError.self) { try model.run(large) }
    #expect(error.category == .memory)
    // The session itself goes on.
    _ = try session?.run(Self.turn("And then?"))
    #expect(shared.runtime.snapshot.claimedBytes == held.claimedBytes)
    session = nil
    #expect(shared.runtime.snapshot.claimedBytes == 0)
    #expect(try model.plan(large).shortfallByteCount == 0)
  }

  /// A first turn that fails leaves nothing, not even what it had decided for the session.
  @Test(arguments: [1, 3, 6]) func aFirstTurnThatFailsLeavesNothing(layers: Int) throws {
    let model = try TinyModel.f32()
    let session = try ChatSession(model)
    for stop in [Countdown(0), Countdown(layers)] {
      let error = try #require(throws: VARLiteError.self) {
        try session.run(Self.turn(), stop: stop.stop)
      }
      #expect(error.category == .cancelled)
      #expect(session.tokenCount == 0 && model.runtime.snapshot.claimedBytes == 0)
    }
    var drawing = Self.turn("A red circle.")
    drawing.drawing = DrawingRequest(cfgScale: 1, isGreedy: true)
    drawing.drawing?.start = .atOnce
    let drawn = try session.run(drawing)
    #expect(try drawn.picture == model.run(drawing).picture && drawn.picture != nil)
  }

  /// A turn that fails later gives back what it took beyond the conversation's own state.
  @Test func aLaterTurnThatFailsHoldsAsMuchAsBefore() throws {
    let model = try TinyModel.f32()
    let session = try ChatSession(model)
    let start = session.mark
    _ = try session.run(Self.turn())
    let (held, count) = (model.runtime.snapshot.claimedBytes, session.tokenCount)
    #expect(throws: VARLiteError.self) {
      try session.run(Self.turn("And then?"), stop: Countdown(4).stop)
    }
    #expect(model.runtime.snapshot.claimedBytes == held && session.tokenCount == count)
    session.rewind(to: start)
    #expect(model.runtime.snapshot.claimedBytes == 0 && session.tokenCount == 0)
    #expect(try session.run(Self.turn()).text == model.run(Self.turn()).text)
  }
}
