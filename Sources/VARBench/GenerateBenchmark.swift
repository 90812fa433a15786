import CVARProbes
import VARJSON
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Measures drawing a picture.
package struct GenerateBenchmark {
  private let shape: ModelShape
  private let schedule: ScaleSchedule
  private let size: Int
  private let cfgScale: Double
  private let shortcuts: ScaleShortcuts
  private let promptTokens: Int

  /// - Parameters:
  ///   - size: side of the picture in pixels: 256, 512, 768 or 1024.
  ///   - cfgScale: guidance; 1 switches it off and halves the work.
  ///   - fast: raw value of a `DrawingRequest.FastLevel`; nil: nothing is left out.
  ///   - promptTokens: tokens of text before the picture.
  package init(
    _ shape: ModelShape, size: Int, cfgScale: Double, fast: Int? = nil, promptTokens: Int
  ) throws {
    guard shape.hasGenerator else {
      throw BenchmarkError(
        .invalidRequest, "the shape \(shape.rawValue) cannot draw; vargpt-v1.1 can")
    }
    guard (0...100).contains(cfgScale), (1...4096).contains(promptTokens) else {
      throw BenchmarkError(
        .invalidRequest,
        "the CFG scale is 0 to 100, the prompt 1 to 4096 tokens")
    }
    guard PixelBudget.allCases.contains(where: { $0.squareSizePixels == size }) else {
      throw BenchmarkError(.invalidRequest, "the size is 256, 512, 768 or 1024 px")
    }
    self.shape = shape
    schedule = try ScheduleSelection.schedule(
      shape.configuration(), size: .pixels(size), aspect: .ratio(width: 1, height: 1))
    self.size = size
    self.cfgScale = cfgScale
    let level = fast.map { DrawingRequest.FastLevel(rawValue: $0) }
    if case .some(nil) = level {
      throw BenchmarkError(.invalidRequest, "the levels of fast drawing are 1 and 2")
    }
    let all = DrawingRequest.LeadingScales.all
    shortcuts = ScaleShortcuts(
      guidedCount: (level??.guidedScales ?? all).count(in: schedule),
      denseCount: (level??.denseScales ?? all).count(in: schedule))
    self.promptTokens = promptTokens
  }

  /// What one picture took.
  private struct Run {
    /// Ends of the text and of each scale.
    var scales: [Double] = []
    var drawing = 0.0
    var vae = 0.0
    /// Allocations from the first scale to the last; nil where they cannot be counted.
    var allocations: Int?
  }

  /// `image_seconds`, `scale_seconds` per scale, `transformer_seconds`, `transformer_gops`, `vae_seconds`, `peak_rss`,
  /// `allocations_per_image` of the loop over the scales.
  ///
  /// The text before the picture is not counted.
  package func records(_ model: BenchmarkModel) throws -> [BenchmarkRecord] {
    precondition(model.shape == shape, "the benchmark is of another shape")
    let runs = try (0..<model.conditions.repeats).map { _ in try draw(model) }
    let context =
      model.context + [
        ("size", .integer(size)), ("cfg_scale", .number(cfgScale)),
        ("guided_scales", .integer(shortcuts.guidedCount)),
        ("dense_scales", .integer(shortcuts.denseCount)),
        ("prompt", .integer(promptTokens)),
      ]
    let operations = transformerOperations(model)
    let drawing = Measurement(runs.map(\.drawing))
    var records = [
      BenchmarkRecord(
        "image_seconds", "s", Measurement(runs.map { $0.drawing + $0.vae }), context: context)
    ]
    for (index, grid) in schedule.scales.enumerated() {
      records.append(
        BenchmarkRecord(
          "scale_seconds", "s", Measurement(runs.map { $0.scales[index] }),
          context: context + [("scale", .integer(index)), ("tokens", .integer(grid.tokenCount))]))
    }
    records += [
      BenchmarkRecord("transformer_seconds", "s", drawing, context: context),
      BenchmarkRecord(
        "transformer_gops", "GOPS", drawing.map { operations / $0 * 1e-9 }, context: context),
      BenchmarkRecord("vae_seconds", "s", Measurement(runs.map(\.vae)), context: context),
      BenchmarkRecord(
        "peak_rss", "MiB", ProcessMemory.peakMebibytes,
        context: context + [("weight_bytes", .integer(model.byteCount))]),
    ]
    // The first picture may set things up.
    if let allocations = runs.last?.allocations {
      records.append(
        BenchmarkRecord("allocations_per_image", "count", Double(allocations), context: context))
    }
    return records
  }

  private var branches: Int { cfgScale == 1 ? 1 : 2 }

  /// Multiplications and additions of all matrices, without attention.
  private func transformerOperations(_ model: BenchmarkModel) -> Double {
    let language = model.matrixElements { $0.component == .llm }
    let generator = model.matrixElements {
      $0.component == .generator && $0.access != .apart && $0.group != .generatorEmbedding
    }
    let cross = model.matrixElements { $0.access == .apart }
    let outward = model.matrixElements { $0.group == .projectorOut }
    let inward = model.matrixElements {
      $0.group == .projectorIn || $0.group == .generatorEmbedding
    }
    let steps = schedule.steps(branchCount: branches, shortcuts)
    let readRows = steps.reduce(0) { $0 + $1.readRowCount }
    let context = branches * promptTokens
    let products =
      readRows * (language + outward) + steps.reduce(0) { $0 + $1.rowCount } * generator
      + context * cross + promptTokens * outward
      + steps.reduce(0) { $0 + $1.readTokenCount } * inward
    return 2 * Double(products)
  }

  private func draw(_ model: BenchmarkModel) throws -> Run {
    let configuration = model.configuration
    let sampler = BitSampler(
      cfgScale: Float(cfgScale), tau: Float(configuration.imageSampling.tau),
      topP: Float(configuration.imageSampling.topP), isGreedy: false,
      random: CounterRandom(seed: 5))
    let drawing = ImageDrawing(
      modelPath: "synthetic weights", configuration: configuration, schedule: schedule,
      sampler: sampler, shortcuts)
    var plan = MemoryPlan()
    let kvType = KVType(defaultFor: model.weights)
    let sessionLayout = LanguageSession.reserve(
      &plan, configuration.languageModel,
      capacity: LanguageSession.Capacity(
        context: promptTokens + 1, drawing: drawing.room,
        rows: max(promptTokens, drawing.largestReadRows)), kvType: kvType)
    let layout = drawing.reserve(&plan, contextTokens: promptTokens, kvType: kvType)
    let arena = try BenchmarkModel.arena(plan)
    let session = LanguageSession(
      sessionLayout, arena: arena,
      model: Qwen2Model(configuration.languageModel, weights: model.weights),
      configuration: configuration)
    let start = Int32(configuration.specialTokens.imageGenStart)
    try session.append(
      model.tokens(count: promptTokens, seed: 4) + [start], pictures: [], model.run)
    var run = Run()
    let marks = ScaleMarks(scaleCount: schedule.scales.count)
    var codes: [Float] = []
    run.drawing = try Stopwatch.seconds {
      let buffers = DrawingBuffers(layout, arena: arena)
      codes = try drawing.draw(session, buffers, weights: model.weights, model.run, marks)
        .codes
    }
    run.scales = zip(marks.seconds, marks.seconds.dropFirst()).map { $1 - $0 }
    let counts = marks.allocationCounts
    if counts[0] >= 0 { run.allocations = counts[counts.count - 1] - counts[0] }
    run.vae = try decode(codes, model)
    return run
  }

  private func decode(_ codes: [Float], _ model: BenchmarkModel) throws -> Double {
    let decoder = try DecoderRun(model, grid: schedule.finalGrid)
    return try Stopwatch.seconds { try decoder.decode(codes) }
  }
}

/// Takes the time and the number of allocations when each scale begins, and when the last one ends.
private final class ScaleMarks: DrawingDelegate {
  private(set) var seconds: [Double] = []
  private(set) var allocationCounts: [Int]
  private let scaleCount: Int

  init(scaleCount: Int) {
    self.scaleCount = scaleCount
    seconds.reserveCapacity(scaleCount + 1)
    allocationCounts = [Int](repeating: 0, count: scaleCount + 1)
  }

  func beginScales() {}

  func begin(_ scale: ScaleStep) { mark() }

  func end(_ scale: ScaleStep, bits: [[UInt8]], sum: Rows) -> Bool {
    if scale.index + 1 == scaleCount { mark() }
    return true
  }

  private func mark() {
    allocationCounts[seconds.count] = Int(cvar_allocation_count())
    seconds.append(MonotonicClock.seconds())
  }
}
