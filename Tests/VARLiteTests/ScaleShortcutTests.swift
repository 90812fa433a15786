import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport

/// Pictures whose fine scales take less work: drawn by the conditional branch alone, or read in part.
@Suite struct ScaleShortcutTests {
  private static let scaleCount = 5

  /// A shortcut, and what tells of it.
  struct Shortcut: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let setting: WritableKeyPath<DrawingRequest, DrawingRequest.LeadingScales> & Sendable
    let count: KeyPath<DrawingState, Int> & Sendable

    static let guided = Shortcut(
      testDescription: "guided", setting: \.guidedScales, count: \.guidedScaleCount)
    static let dense = Shortcut(
      testDescription: "dense", setting: \.denseScales, count: \.denseScaleCount)
    static let all = [guided, dense]
  }

  private func request(
    _ shortcut: Shortcut, _ scales: DrawingRequest.LeadingScales, cfgScale: Double = 3
  ) -> Request {
    var drawing = DrawingRequest(cfgScale: cfgScale, tau: 0.7, seed: 11)
    drawing[keyPath: shortcut.setting] = scales
    drawing.start = .atOnce
    return Request("Please paint a red circle.", drawing: drawing)
  }

  @Test(arguments: Shortcut.all) func leadingScalesAreThoseOfTheFullPicture(
    _ shortcut: Shortcut
  ) throws {
    let model = try TinyModel.f32()
    let full = try model.run(request(shortcut, .all))
    #expect(try model.run(request(shortcut, .first(Self.scaleCount))).picture == full.picture)
    let bits = try #require(full.drawing).bits
    for count in 1..<Self.scaleCount {
      let drawing = try #require(try model.run(request(shortcut, .first(count))).drawing)
      #expect(drawing[keyPath: shortcut.count] == count)
      #expect(drawing.bits.prefix(count) == bits.prefix(count))
      #expect(drawing.bits != bits, "\(count) \(shortcut) scales give the full picture")
    }
  }

  /// What an unguided scale draws is what no guidance at all would have drawn after the same scales.
  @Test(arguments: 1..<scaleCount)
  func otherScalesAreThoseWithoutGuidance(count: Int) throws {
    let model = try TinyModel.f32()
    let drawn = try #require(try model.run(request(.guided, .first(count))).drawing)
    var drawing = DrawingRequest(varying: drawn, keepingScales: Self.scaleCount, seed: drawn.seed)
    drawing.cfgScale = 1
    drawing.guidedScales = .all
    drawing.start = .atOnce
    let own = try model.run(Request("Please paint a red circle.", drawing: drawing)).ownBits
    #expect(own[count...] == drawn.bits[count...])
    // The first scale is one token, on which guidance may change nothing.
    if count > 1 { #expect(own[..<count] != drawn.bits[..<count]) }
  }

  /// The language model reads the same embeddings as in full, where it reads; the generator gets means between them.
  @Test func aSparseScaleIsReadInPart() throws {
    let model = try TinyModel.f32()
    func trace(_ scales: DrawingRequest.LeadingScales) throws -> TraceRecorder {
      let recorder = TraceRecorder()
      _ = try model.run(request(.dense, scales), instruments: Instruments(recorder: recorder))
      return recorder
    }
    func rows(_ recorder: TraceRecorder, _ name: String) throws -> [[Float]] {
      let tensor = try #require(recorder.tensor(name))
      let values = tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      let width = try #require(tensor.shape.last)
      return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
    }
    let (full, sparse) = (try trace(.all), try trace(.first(3)))
    let grid = try #require(model.configuration.schedule.scales[3...].first)
    let read = stride(from: 0, to: grid.height, by: 2).flatMap { y in
      stride(from: 0, to: grid.width, by: 2).map { y * grid.width + $0 }
    }
    let (all, some) = (try rows(full, "s3.llm_in"), try rows(sparse, "s3.llm_in"))
    #expect(all.count == 2 * grid.tokenCount)
    #expect(some == (read + read.map { $0 + grid.tokenCount }).map { all[$0] })
    let drawn = try rows(sparse, "s3.gen_in")
    #expect(drawn.count == 2 * grid.tokenCount)
    for branch in 0..<2 {
      let tokens = drawn[branch * grid.tokenCount..<(branch + 1) * grid.tokenCount]
      let first = tokens.startIndex
      #expect(tokens[first + 1] == mean(tokens[first], tokens[first + 2]))
      let second = first + grid.width
      #expect(tokens[second] == mean(tokens[first], tokens[second + grid.width]))
    }
  }

  private func mean(_ first: [Float], _ second: [Float]) -> [Float] {
    zip(first, second).map { ($0 + $1) / 2 }
  }

  @Test(arguments: Shortcut.all) func threadsInstructionSetsAndResidencyDoNotMatter(
    _ shortcut: Shortcut
  ) throws {
    let path = try TinyModel.path(recipe: "int4")
    func run(_ options: RunOptions) throws -> [[UInt8]]? {
      try Model(path: path, options: options).run(request(shortcut, .first(2))).drawing?.bits
    }
    let reference = try run(.init(threadCount: 1, instructionSet: .scalar))
    for instructionSet in InstructionSet.supported {
      #expect(try run(.init(threadCount: 3, instructionSet: instructionSet)) == reference)
    }
    #expect(try run(.init(threadCount: 2, residency: .stream)) == reference)
  }

  @Test(arguments: Shortcut.all) func aResumedDrawingHasTheSameSettings(
    _ shortcut: Shortcut
  ) throws {
    let model = try TinyModel.f32()
    var states: [DrawingState] = []
    let whole = try model.run(request(shortcut, .first(2))) { event in
      if let scale = event.scale { states.append(scale.state) }
    }
    for state in states {
      let stored = try DrawingState(serialized: state.serialized)
      #expect(stored == state)
      var resumed = Request(
        "Please paint a red circle.", drawing: DrawingRequest(resuming: stored))
      resumed.drawing?.start = .atOnce
      #expect(try model.run(resumed).picture == whole.picture)
    }
  }

  @Test(arguments: Shortcut.all) func thePictureTellsOfIt(_ shortcut: Shortcut) throws {
    let model = try TinyModel.f32()
    func settings(_ scales: DrawingRequest.LeadingScales) throws -> String? {
      try model.run(request(shortcut, scales)).pictureTexts.first { $0.key == "settings" }?.value
    }
    let key = "\(shortcut.testDescription)_scales"
    #expect(try settings(.first(2))?.contains("\"\(key)\":2") == true)
    #expect(try settings(.all)?.contains(key) == false)
  }

  /// A conversation has room for whatever takes less than the picture that it was begun with, and for no more.
  @Test func aConversationTakesSparserPictures() throws {
    let model = try TinyModel.f32()
    let chat = try ChatSession(model, contextTokens: 256)
    let full = request(.dense, .all)
    let (dense, sparse) = (try chat.run(full), try chat.run(request(.dense, .first(2))))
    #expect(try chat.run(full).end == .drawn)
    #expect(dense.drawing?.bits.count == sparse.drawing?.bits.count)
    let small = try ChatSession(model, contextTokens: 256)
    _ = try small.run(request(.dense, .first(2)))
    #expect { try small.run(full) } throws: { error in
      (error as? VARLiteError)?.detail.contains("begun for other pictures") == true
    }
  }

  @Test func coarseScalesAreLessThanHalfOfTheLast() throws {
    let sides = [1, 2, 4, 6, 8, 12, 16, 20, 24, 32]
    let schedule = ScaleSchedule(
      scales: sides.map { GridSize(height: $0, width: $0) },
      ropeReference: GridSize(height: 32, width: 32))
    #expect(DrawingRequest.LeadingScales.coarse.count(in: schedule) == 6)
    let one = ScaleSchedule(
      scales: [GridSize(height: 1, width: 1)], ropeReference: GridSize(height: 1, width: 1))
    #expect(DrawingRequest.LeadingScales.coarse.count(in: one) == 1)
  }

  @Test(arguments: zip(Shortcut.all, ["generator.kv.unconditional", "llm.kv"]))
  func aPlanOfFewerRowsTakesLess(_ shortcut: Shortcut, cache: String) throws {
    let model = try TinyModel.f32()
    let (full, coarse) = (
      try model.plan(request(shortcut, .all)), try model.plan(request(shortcut, .coarse))
    )
    #expect(coarse.peakByteCount < full.peakByteCount)
    func cacheBytes(_ plan: RequestPlan) -> Int {
      let buffers = plan.phases.last { $0.kind == .drawing }?.buffers ?? []
      return buffers.filter { $0.name.hasPrefix(cache) }.reduce(0) { $0 + $1.byteCount }
    }
    #expect(cacheBytes(coarse) < cacheBytes(full))
  }

  @Test(arguments: Shortcut.all, [0, scaleCount + 1, -1, .max])
  func otherCountsAreRefused(_ shortcut: Shortcut, count: Int) throws {
    let model = try TinyModel.f32()
    #expect { try model.plan(request(shortcut, .first(count))) } throws: { error in
      let error = error as? VARLiteError
      return error?.category == .request
        && error?.detail.contains("\(shortcut.testDescription) scales") == true
    }
  }
}
