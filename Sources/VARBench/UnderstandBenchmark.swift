import CVARProbes
import VARJSON
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Measures reading a prompt and writing text.
package struct UnderstandBenchmark {
  private let promptTokens: Int
  private let writtenTokens: Int

  /// - Parameters:
  ///   - promptTokens: 1...16384.
  ///   - writtenTokens: 2...4096; the first warms up.
  package init(promptTokens: Int, writtenTokens: Int) throws(BenchmarkError) {
    guard (1...16_384).contains(promptTokens), (2...4096).contains(writtenTokens) else {
      throw BenchmarkError(.invalidRequest, "the prompt is 1 to 16384 tokens, the answer 2 to 4096")
    }
    self.promptTokens = promptTokens
    self.writtenTokens = writtenTokens
  }

  /// `prefill` and `decode` (tok/s), `prefill_compute` (GOPS), `decode_bandwidth` (GB/s), `decode_limit` (GB/s of
  /// reading weights between the tokens), `decode_share` (a token's bandwidth by the limits before and after it),
  /// `allocations_per_token` and `peak_rss`.
  package func records(_ model: BenchmarkModel) throws -> [BenchmarkRecord] {
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
    let written = try write(model, session)
    let context: [(String, JSONValue)] = [
      ("shape", .string(model.shape.rawValue)), ("precision", .string(model.precision)),
      ("prompt", .integer(promptTokens)), ("tokens", .integer(writtenTokens)),
    ]
    let seconds = Measurement(prefill)
    let bytes = Double(model.bytesPerToken)
    let read = context + [("bytes_per_token", .integer(model.bytesPerToken))]
    let rows = Double(promptTokens)
    let operations = 2 * rows * Double(model.matrixElements { $0.component == .llm })
    var records = [
      BenchmarkRecord("prefill", "tok/s", seconds.map { rows / $0 }, context: context),
      BenchmarkRecord(
        "prefill_compute", "GOPS", seconds.map { operations / $0 * 1e-9 }, context: context),
      BenchmarkRecord("decode", "tok/s", written.seconds.map { 1 / $0 }, context: context),
      BenchmarkRecord(
        "decode_bandwidth", "GB/s", written.seconds.map { bytes / $0 * 1e-9 }, context: read),
      BenchmarkRecord("decode_limit", "GB/s", written.limits, context: context),
      BenchmarkRecord("decode_share", "ratio", written.shares, context: read),
      BenchmarkRecord(
        "peak_rss", "MiB", ProcessMemory.peakMebibytes,
        context: context + [
          ("weight_bytes", .integer(model.byteCount)),
          ("kv_bytes", .integer(keyValueBytes(memory.arena.plan))),
        ]),
    ]
    if let allocations = written.allocations {
      records.append(
        BenchmarkRecord("allocations_per_token", "count", allocations, context: context))
    }
    return records
  }

  /// Tokens that the session has room for.
  private var context: Int { promptTokens + writtenTokens + 1 }

  /// Bytes of the keys and values of all layers.
  private func keyValueBytes(_ plan: MemoryPlan) -> Int {
    plan.buffers.reduce(0) { $0 + ($1.content == .keysAndValues ? $1.byteCount : 0) }
  }

  private func makeMemory(
    _ model: BenchmarkModel
  ) throws -> (layout: LanguageSession.Layout, arena: Arena) {
    var plan = MemoryPlan()
    let layout = LanguageSession.reserve(
      &plan, model.configuration.languageModel,
      capacity: LanguageSession.Capacity(
        context: context, drawing: nil, rows: min(promptTokens, 4096)),
      kvType: KVType(defaultFor: model.weights))
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

  private struct Written {
    /// Seconds of each token but the first.
    let seconds: Measurement
    /// GB/s of reading weights between the tokens.
    let limits: Measurement
    /// GB/s of each token as a part of the mean of the limits before and after it.
    let shares: Measurement
    /// Allocations of a token; nil where they cannot be counted.
    let allocations: Double?
  }

  private func write(
    _ model: BenchmarkModel, _ session: LanguageSession
  ) throws -> Written {
    var sampler = TextSampler(TextSampling(), repetitionPenalty: 1, banned: [], prompt: session.ids)
    var probe = InterleavedProbe(model.weightMemory, pool: model.run.compute.pool)
    var seconds: [Double] = []
    var limits = [probe.bandwidth()]
    var allocations = 0
    for step in 0..<writtenTokens {
      let before = Int(cvar_allocation_count())
      let start = MonotonicClock.seconds()
      let logits = try session.nextLogits(model.run)
      guard let id = sampler.pick(logits, step: step, in: session.candidates) else {
        preconditionFailure("synthetic weights give finite logits")
      }
      try session.append(id, model.run)
      let end = MonotonicClock.seconds()
      let after = Int(cvar_allocation_count())
      limits.append(probe.bandwidth())
      // The first warms up.
      guard step > 0 else { continue }
      seconds.append(end - start)
      allocations += after - before
    }
    let bytes = Double(model.bytesPerToken) * 1e-9
    let shares = seconds.enumerated().map { bytes / $1 * 2 / (limits[$0 + 1] + limits[$0 + 2]) }
    return Written(
      seconds: Measurement(seconds), limits: Measurement(Array(limits.dropFirst())),
      shares: Measurement(shares),
      allocations: cvar_allocation_count() < 0
        ? nil : Double(allocations) / Double(seconds.count))
  }
}
