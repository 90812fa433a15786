import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport

/// Pictures whose fine scales are drawn by the conditional branch alone.
@Suite struct GuidedScalesTests {
  private static let scaleCount = 5

  private func request(
    _ guidedScales: DrawingRequest.GuidedScales, cfgScale: Double = 3
  ) -> Request {
    var drawing = DrawingRequest(cfgScale: cfgScale, tau: 0.7, seed: 11)
    drawing.guidedScales = guidedScales
    drawing.start = .atOnce
    return Request("Please paint a red circle.", drawing: drawing)
  }

  @Test func guidedScalesAreThoseOfTheFullPicture() throws {
    let model = try TinyModel.f32()
    let full = try model.run(request(.all))
    #expect(try model.run(request(.first(Self.scaleCount))).picture == full.picture)
    let bits = try #require(full.drawing).bits
    for count in 1..<Self.scaleCount {
      let drawing = try #require(try model.run(request(.first(count))).drawing)
      #expect(drawing.guidedScaleCount == count)
      #expect(drawing.bits.prefix(count) == bits.prefix(count))
      #expect(drawing.bits != bits, "\(count) guided scales give the full picture")
    }
  }

  /// What an unguided scale draws is what no guidance at all would have drawn after the same scales.
  @Test(arguments: 1..<scaleCount)
  func otherScalesAreThoseWithoutGuidance(count: Int) throws {
    let model = try TinyModel.f32()
    let drawn = try #require(try model.run(request(.first(count))).drawing)
    var drawing = DrawingRequest(varying: drawn, keepingScales: Self.scaleCount, seed: drawn.seed)
    drawing.cfgScale = 1
    drawing.guidedScales = .all
    drawing.start = .atOnce
    let own = try model.run(Request("Please paint a red circle.", drawing: drawing)).ownBits
    #expect(own[count...] == drawn.bits[count...])
    // The first scale is one token, on which guidance may change nothing.
    if count > 1 { #expect(own[..<count] != drawn.bits[..<count]) }
  }

  @Test func threadsInstructionSetsAndResidencyDoNotMatter() throws {
    let path = try TinyModel.path(recipe: "int4")
    func run(_ options: RunOptions) throws -> [[UInt8]]? {
      try Model(path: path, options: options).run(request(.first(2))).drawing?.bits
    }
    let reference = try run(.init(threadCount: 1, instructionSet: .scalar))
    for instructionSet in InstructionSet.supported {
      #expect(try run(.init(threadCount: 3, instructionSet: instructionSet)) == reference)
    }
    #expect(try run(.init(threadCount: 2, residency: .stream)) == reference)
  }

  @Test func aResumedDrawingHasTheSameGuidance() throws {
    let model = try TinyModel.f32()
    var states: [DrawingState] = []
    let whole = try model.run(request(.first(2))) { event in
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

  @Test func thePictureTellsWhichScalesAreGuided() throws {
    let model = try TinyModel.f32()
    func settings(_ scales: DrawingRequest.GuidedScales) throws -> String? {
      try model.run(request(scales)).pictureTexts.first { $0.key == "settings" }?.value
    }
    #expect(try settings(.first(2))?.contains(#""guided_scales":2"#) == true)
    #expect(try settings(.all)?.contains("guided_scales") == false)
  }

  @Test func coarseScalesAreLessThanHalfOfTheLast() throws {
    let sides = [1, 2, 4, 6, 8, 12, 16, 20, 24, 32]
    let schedule = ScaleSchedule(
      scales: sides.map { GridSize(height: $0, width: $0) },
      ropeReference: GridSize(height: 32, width: 32))
    #expect(DrawingRequest.GuidedScales.coarse.count(in: schedule) == 6)
    let one = ScaleSchedule(
      scales: [GridSize(height: 1, width: 1)], ropeReference: GridSize(height: 1, width: 1))
    #expect(DrawingRequest.GuidedScales.coarse.count(in: one) == 1)
  }

  @Test func aPlanOfFewerRowsTakesLess() throws {
    let model = try TinyModel.f32()
    let (full, coarse) = (try model.plan(request(.all)), try model.plan(request(.coarse)))
    #expect(coarse.peakByteCount < full.peakByteCount)
    func cacheBytes(_ plan: RequestPlan) -> Int {
      let buffers = plan.phases.last { $0.kind == .drawing }?.buffers ?? []
      return buffers.filter { $0.name.hasPrefix("generator.kv.unconditional") }
        .reduce(0) { $0 + $1.byteCount }
    }
    #expect(cacheBytes(coarse) < cacheBytes(full))
  }

  @Test(arguments: [0, scaleCount + 1, -1, .max])
  func otherCountsAreRefused(count: Int) throws {
    let model = try TinyModel.f32()
    #expect { try model.plan(request(.first(count))) } throws: { error in
      let error = error as? VARLiteError
      return error?.category == .request && error?.detail.contains("guided scales") == true
    }
  }
}
