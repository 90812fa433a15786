import CVARProbes
import VARJSON
import VARKernels
import VARLite
import VARModels

/// Measures reading a prompt and writing text.
public struct UnderstandBenchmark {
  private let promptTokens: Int
  private let writtenTokens: Int

  /// - Parameters:
  ///   - promptTokens: 1...16384.
  ///   - writtenTokens: 2...4096; the first warms up.
  public init(promptTokens: Int, writtenTokens: Int) throws(BenchmarkError) {
    guard (1...16_384).contains(promptTokens), (2...4096).contains(writtenTokens) else {
      throw BenchmarkError(.invalidRequest, "--prompt takes 1...16384, --tokens 2...4096")
    }
    self.promptTokens = promptTokens
    self.writtenTokens = writtenTokens
  }

  /// `prefill` and `decode` (tok/s), `prefill_compute` (GOPS), `decode_bandwidth` (GB/s), `allocations_per_token`
  /// and `peak_rss`.
  public func records(_ model: BenchmarkModel) throws -> [BenchmarkRecord] {
    let memory = try makeMemory(model)
    // Eight tokens: as many layers as any prompt, in little time.
    try makeSession(model, memory).append(
      model.tokens(count: min(8, promptTokens), seed: 3), pictures: [], model.run)
    var session = makeSession(model, memory)
    var prefill: [Double] = []
    for _ in 0..<model.conditions.repeats {
      session = makeSession(model, memory)
      let prompt = model.tokens(count: promptTokens, seed: 4)
      prefill.append(
        try Stopwatch.seconds { try session.append(prompt, pictures: [], model.run) })
    }
    let (decode, allocations) = try write(model, session)
    let context: [(String, JSONValue)] = [
      ("shape", .string(model.shape.rawValue)), ("precision", .string(model.precision)),
      ("prompt", .integer(promptTokens)), ("tokens", .integer(writtenTokens)),
    ]
    let seconds = Measurement(prefill)
    let bytes = Double(model.bytesPerToken)
    let rows = Double(promptTokens)
    let operations = 2 * rows * Double(model.matrixElements { $0.component == .llm })
    var records = [
      BenchmarkRecord("prefill", "tok/s", seconds.map { rows / $0 }, context: context),
      BenchmarkRecord(
        "prefill_compute", "GOPS", seconds.map { operations / $0 * 1e-9 }, context: context),
      BenchmarkRecord("decode", "tok/s", decode.map { 1 / $0 }, context: context),
      BenchmarkRecord(
        "decode_bandwidth", "GB/s", decode.map { bytes / $0 * 1e-9 },
        context: context + [("bytes_per_token", .integer(model.bytesPerToken))]),
      BenchmarkRecord(
        "peak_rss", "MiB", Double(ProcessFacts.peakResidentBytes()) / 0x1p20,
        context: context + [("weight_bytes", .integer(model.byteCount))]),
    ]
    if let allocations {
      records.append(
        BenchmarkRecord("allocations_per_token", "count", allocations, context: context))
    }
    return records
  }

  private func makeMemory(
    _ model: BenchmarkModel
  ) throws -> (layout: LanguageSession.Layout, arena: Arena) {
    var plan = MemoryPlan()
    let layout = LanguageSession.reserve(
      &plan, model.configuration.languageModel,
      capacity: LanguageSession.Capacity(
        context: promptTokens + writtenTokens + 1, drawing: 0, rows: min(promptTokens, 4096)),
      kvType: .f32)
    return (layout, try BenchmarkModel.arena(plan))
  }

  private func makeSession(
    _ model: BenchmarkModel, _ memory: (layout: LanguageSession.Layout, arena: Arena)
  ) -> LanguageSession {
    LanguageSession(
      memory.layout, arena: memory.arena,
      model: Qwen2Model(model.configuration.languageModel, weights: model.weights),
      configuration: model.configuration)
  }

  /// Seconds of each token but the first, and the allocations of one.
  private func write(
    _ model: BenchmarkModel, _ session: LanguageSession
  ) throws -> (seconds: Measurement, allocations: Double?) {
    var sampler = TextSampler(TextSampling(), repetitionPenalty: 1, banned: [], prompt: session.ids)
    var seconds = [Double](repeating: 0, count: writtenTokens)
    var allocations = 0
    for step in 0..<writtenTokens {
      if step == 1 { allocations = Int(cvar_allocation_count()) }
      let start = Stopwatch.now()
      guard let id = sampler.pick(try session.nextLogits(model.run), step: step) else {
        preconditionFailure("synthetic weights give finite logits")
      }
      try session.append(id, model.run)
      seconds[step] = Stopwatch.now() - start
    }
    let total = Int(cvar_allocation_count())
    return (
      Measurement(Array(seconds.dropFirst())),
      total < 0 ? nil : Double(total - allocations) / Double(writtenTokens - 1)
    )
  }
}
