import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Takes the small case of canaries through all networks of a model, in front of a watcher.
struct CanaryRun {
  let model: Model
  let item: CanaryCase
  let options: ForcedRun.Options
  private let configuration: VARGPTConfiguration

  static let encoderName = "vae.encoder"
  static let decoderName = "vae.decoder"

  /// - Throws: `VARLiteError` where the file lacks a network.
  init(_ model: Model, _ item: CanaryCase, _ options: ForcedRun.Options) throws(VARLiteError) {
    try model.require(
      .vision, .llmEmbedding, .llm, .projector, .generator, .vaeDecoder, .vaeEncoder,
      to: "be held against its canaries")
    self.model = model
    self.item = item
    self.options = options
    configuration = CanaryCase.configuration(model)
  }

  /// - Parameter bits: of the picture that is drawn; nil takes those of what was kept of the picture encoder.
  /// - Returns: the bits.
  func run(_ watcher: CanaryWatcher, bits: [[UInt8]]? = nil) throws -> [[UInt8]] {
    let quantizer = BinaryQuantizer(
      codebookDim: configuration.generator.codebookDim, schedule: configuration.schedule)
    options.progress("picture encoder", 0, 1)
    let features = try watcher.pass(
      Self.encoderName, try encode(isComputed: watcher.computes(Self.encoderName)),
      columns: quantizer.codebookDim)
    let bits = bits ?? quantizer.quantize(features)
    try ForcedRun(
      model, cases: [item.prepared(model, bits: bits)], options, configuration: configuration,
      watcher: watcher
    ).run()
    options.progress("picture decoder", 0, 1)
    let sum = quantizer.sum(of: bits)
    let pixels = try decode(sum, isComputed: watcher.computes(Self.decoderName))
    _ = try watcher.pass(Self.decoderName, pixels, columns: item.pixels.columns)
    try watcher.finish()
    return bits
  }

  // MARK: The picture tokenizer

  private var grid: GridSize { configuration.schedule.finalGrid }

  private func encode(isComputed: Bool) throws -> [Float] {
    guard isComputed else {
      return [Float](repeating: 0, count: grid.tokenCount * configuration.generator.codebookDim)
    }
    return try with(.encoding) { weights, pass in
      let encoder = VAEEncoder(configuration.vae, weights: weights)
      var plan = MemoryPlan()
      let layout = encoder.reserve(
        &plan, grid: grid, threadCount: model.runtime.options.threadCount)
      guard let arena = Arena(plan) else { throw ForcedRun.noMemory(plan.byteCount) }
      return try encoder.encode(
        item.pixels.values, grid: grid, workspace: VAEWorkspace(layout, arena: arena), pass)
    }
  }

  private func decode(_ codes: [Float], isComputed: Bool) throws -> [Float] {
    var pixels = [Float](repeating: 0, count: item.pixels.count * item.pixels.columns)
    guard isComputed else { return pixels }
    return try with(.decoding) { weights, pass in
      let decoder = VAEDecoder(configuration.vae, weights: weights)
      var plan = MemoryPlan()
      let layout = decoder.reserve(
        &plan, grid: grid, threadCount: model.runtime.options.threadCount)
      guard let arena = Arena(plan) else { throw ForcedRun.noMemory(plan.byteCount) }
      try codes.withRows(columns: configuration.generator.codebookDim) { codes in
        try pixels.withMutableRows(columns: item.pixels.columns) { pixels in
          try decoder.decode(
            codes, workspace: VAEWorkspace(layout, arena: arena), pass,
            pixels: { rows, values in pixels[rows].copy(from: values) })
        }
      }
      return pixels
    }
  }

  private func with<Result>(
    _ phase: WeightPhase, _ body: (ModelWeights, RunContext) throws -> Result
  ) throws -> Result {
    let weights = try ModelWeights(
      source: model.sources.source(options.residency), tensors: model.tensors)
    let request = WeightRequest(
      id: model.runtime.nextRequestID, isCancelled: options.isCancelled)
    defer { weights.end(request) }
    try weights.begin(Self.plan(phase, model, options.residency), for: request) { _, _ in }
    let (compute, arena) = try ForcedRun.compute(model)
    return try withExtendedLifetime(arena) {
      try body(weights, RunContext(compute: compute, isCancelled: options.isCancelled))
    }
  }

  private static func plan(
    _ phase: WeightPhase, _ model: Model, _ residency: WeightResidency
  ) -> WeightPlan {
    func plan(_ budgetBytes: Int?) -> WeightPlan {
      model.sources.plans(residency, [(phase, budgetBytes)])[0]
    }
    return residency == .stream ? plan(2 * plan(0).minimumBytes) : plan(nil)
  }

  // MARK: Memory

  /// Bytes of memory that a run takes besides the program's.
  var memoryByteCount: Int {
    let bits = configuration.schedule.scales.map {
      [UInt8](repeating: 0, count: $0.tokenCount * configuration.generator.codebookDim)
    }
    let networks = ForcedRun.memoryByteCount(
      [item.prepared(model, bits: bits)], model, configuration: configuration, rounds: false)
    var compute = MemoryPlan()
    _ = model.reserveCompute(&compute)
    let picture = [WeightPhase.encoding, .decoding].map { phase in
      Self.plan(phase, model, options.residency).residentBytes + workspaceByteCount(phase)
    }
    return max(networks, (picture.max() ?? 0) + compute.byteCount)
  }

  private func workspaceByteCount(_ phase: WeightPhase) -> Int {
    guard
      let weights = try? ModelWeights(
        source: model.sources.source(options.residency), tensors: model.tensors)
    else { return 0 }
    let threadCount = model.runtime.options.threadCount
    var plan = MemoryPlan()
    if phase == .encoding {
      _ = VAEEncoder(configuration.vae, weights: weights).reserve(
        &plan, grid: grid, threadCount: threadCount)
    } else {
      _ = VAEDecoder(configuration.vae, weights: weights).reserve(
        &plan, grid: grid, threadCount: threadCount)
    }
    return plan.byteCount
  }
}
