import VARKernels
import VARLite
import VARModels

// What a run takes, known when its cases are prepared. The stages reserve their buffers here.
extension ForcedRun {
  /// Rows of all cases in the language model, and of their pictures in the generator.
  package static func tokenCounts(
    _ cases: [PreparedCase], _ configuration: VARGPTConfiguration
  ) -> (language: Int, generator: Int) {
    let scales = scales(configuration)
    let language = cases.reduce(0) { $0 + CaseLayout($1, scales).rowCount }
    let drawn = cases.count { $0.bits != nil } * rowsPerDrawing(configuration)
    return (language, drawn)
  }

  /// Rows of one picture in the generator.
  package static func rowsPerDrawing(_ configuration: VARGPTConfiguration) -> Int {
    scales(configuration).reduce(0) { $0 + $1.rowCount }
  }

  /// The steps of a picture; guidance doubles its rows.
  static func scales(_ configuration: VARGPTConfiguration) -> [ScaleStep] {
    ForcedSchedule(configuration).scales.steps(
      branchCount: configuration.imageSampling.cfgScale == 1 ? 1 : 2)
  }

  /// Bytes of the largest `ForcedRunState`.
  ///
  /// - Parameter rounds: whether the watcher rounds the generator, here and below.
  package static func stateByteCount(
    _ cases: [PreparedCase], _ configuration: VARGPTConfiguration, rounds: Bool
  ) -> Int {
    let (language, generator) = tokenCounts(cases, configuration)
    let texts = cases.reduce(0) { $0 + ($1.bits == nil ? 0 : $1.ids.count) }
    let values = [
      patchCount(cases) * configuration.vision.embedDim,
      language * configuration.languageModel.hiddenSize,
      (generator * (rounds ? 2 : 1) + texts) * configuration.generator.embedDim,
    ]
    return (values.max() ?? 0) * MemoryLayout<Float>.stride
  }

  /// Whether a state has the shape that a run of these cases has there.
  package static func fits(
    _ state: ForcedRunState, _ cases: [PreparedCase], _ configuration: VARGPTConfiguration,
    rounds: Bool
  ) -> Bool {
    let scales = scales(configuration)
    let counts: [Int]
    let depth: Int
    switch state.stage {
    case .vision:
      depth = configuration.vision.depth
      counts = cases.flatMap { $0.pictures.map { $0.patchCount * configuration.vision.embedDim } }
    case .language:
      depth = configuration.languageModel.numHiddenLayers
      counts = cases.map {
        CaseLayout($0, scales).rowCount * configuration.languageModel.hiddenSize
      }
    case .generator:
      depth = configuration.generator.depth
      let width = configuration.generator.embedDim
      let tokens = scales.map { $0.rowCount * width }
      counts = cases.filter { $0.bits != nil }.flatMap { item in
        [(item.ids.count - 1) * width] + tokens + (rounds ? tokens : [])
      }
    }
    return (0..<depth).contains(state.layer) && state.values.map(\.count) == counts
  }

  /// Throws `VARLiteError` unless there are cases, and a model holds all that they pass.
  package static func require(_ model: Model, for cases: [ForcedCase]) throws(VARLiteError) {
    guard !cases.isEmpty else {
      throw VARLiteError(.request, "there are no cases; give some, or leave the shipped ones")
    }
    try model.require(.llmEmbedding, .llm, to: "read words")
    if cases.contains(where: { $0.picture != nil }) {
      try model.require(
        .projector, .generator, .vaeEncoder, .vaeDecoder, to: "be shown how pictures are drawn")
    }
  }

  private static func patchCount(_ cases: [PreparedCase]) -> Int {
    cases.reduce(0) { $0 + $1.pictures.reduce(0) { $0 + $1.patchCount } }
  }

  /// Bytes of memory that a run takes besides the program's and its watcher's.
  ///
  /// - Parameter configuration: that of the run.
  package static func memoryByteCount(
    _ cases: [PreparedCase], _ model: Model, configuration: VARGPTConfiguration? = nil,
    rounds: Bool
  ) -> Int {
    let configuration = configuration ?? model.configuration
    var vision = MemoryPlan()
    _ = reserveVision(&vision, cases, configuration)
    var language = MemoryPlan()
    _ = reserveLanguage(&language, cases, configuration, .f32)
    _ = reserveGenerator(&language, cases, configuration, .f32)
    var compute = MemoryPlan()
    _ = reserveCompute(&compute, model, rounds: rounds)
    // Values of the patches, embeddings of the pictures, and the text of all drawings in one block of the generator.
    let merged = patchCount(cases) / 4 * configuration.languageModel.hiddenSize
    let texts =
      cases.reduce(0) { sum, item in
        item.bits == nil ? sum : sum + 2 * item.ids.count * 2 * configuration.generator.embedDim
      } * (rounds ? 2 : 1)
    let kept = patchCount(cases) * configuration.vision.patchValues + max(merged, texts)
    return max(vision.byteCount, language.byteCount) + compute.byteCount
      + kept * MemoryLayout<Float>.stride + 2 * stateByteCount(cases, configuration, rounds: rounds)
      + weightPlan(model, .stream).residentBytes
  }

  /// Scratch of quantized activations.
  ///
  /// - Parameter rounds: whether matrices are replaced by quantized ones meanwhile.
  static func reserveCompute(
    _ plan: inout MemoryPlan, _ model: Model, rounds: Bool
  ) -> Compute.ScratchIDs {
    let widest = model.tensors.filter { $0.kind == .matrix }.map { $0.shape[1] }.max() ?? 0
    return model.reserveCompute(&plan, columns: rounds ? widest : 0)
  }

  /// Where weights are while they pass once: a layer at work and one that is read.
  static func weightPlan(
    _ model: Model, _ residency: WeightResidency, withHead: Bool = false
  ) -> WeightPlan {
    let sources = model.sources
    guard residency == .stream else {
      return sources.layerPlan(residency, withHead: withHead, budgetBytes: nil)
    }
    let least = sources.layerPlan(residency, withHead: withHead, budgetBytes: 0).minimumBytes
    return sources.layerPlan(residency, withHead: withHead, budgetBytes: 2 * least)
  }

  /// The plans of all passes of a run that takes rows through vision tower, language model with its head, generator.
  package static func layerPlans(_ model: Model, _ residency: WeightResidency) -> [WeightPlan] {
    [visionPlan(model, residency), weightPlan(model, residency, withHead: true)]
  }

  /// The same of the vision tower.
  static func visionPlan(_ model: Model, _ residency: WeightResidency) -> WeightPlan {
    let budgetBytes = residency == .stream ? weightPlan(model, residency).residentBytes : nil
    return model.sources.visionLayerPlan(residency, budgetBytes: budgetBytes)
  }

  static func reserveVision(
    _ plan: inout MemoryPlan, _ cases: [PreparedCase], _ configuration: VARGPTConfiguration
  ) -> VisionState.Layout {
    let largest = cases.flatMap { $0.pictures.map(\.patchCount) }.max() ?? 0
    return VisionState.reserve(&plan, configuration.vision, patchCapacity: largest)
  }

  static func reserveLanguage(
    _ plan: inout MemoryPlan, _ cases: [PreparedCase], _ configuration: VARGPTConfiguration,
    _ kvType: KVType
  ) -> (state: Qwen2State.Layout, caches: [KVCache.Layout]) {
    let language = configuration.languageModel
    let scales = scales(configuration)
    let largest = cases.map { CaseLayout($0, scales).rowCount }.max() ?? 0
    let state = Qwen2State.reserve(&plan, language, rowCapacity: largest)
    let shape = KVCache.Shape(
      kvType, layerCount: 1, kvHeads: language.numKeyValueHeads, headDim: language.headDim,
      hasKeyBias: true)
    // The sequences of the other branch follow each other in a cache of their own, whose positions have other angles.
    let other = scales.filter { $0.branchCount == 2 }.map(\.tokenCount).max()
    let caches = ([largest] + (other.map { [$0] } ?? [])).map {
      KVCache.Layout.reserve(&plan, "llm.kv", shape, capacity: $0)
    }
    return (state, caches)
  }

  static func reserveGenerator(
    _ plan: inout MemoryPlan, _ cases: [PreparedCase], _ configuration: VARGPTConfiguration,
    _ kvType: KVType
  ) -> ScaleTransformerState.Layout {
    let longest = cases.map(\.ids.count).max() ?? 0
    return ScaleTransformerState.reserve(
      &plan, configuration.generator, hiddenSize: configuration.languageModel.hiddenSize,
      capacity: .init(
        schedule: ForcedSchedule(configuration).scales,
        textLengths: textLengths(longest, configuration)),
      kv: (kvType, 1))
  }

  /// The conditional branch reads all words but the start of the picture; the unconditional one no more than the file
  /// has rows.
  static func textLengths(_ count: Int, _ configuration: VARGPTConfiguration) -> [Int] {
    let lengths = [count - 1, min(count - 1, configuration.generator.textMaxLength)]
    return Array(lengths[..<(scales(configuration).first?.branchCount ?? 1)])
  }
}
