import VARKernels
import VARLite
import VARModels
import VARSystem

/// Takes all tokens of many cases through the layers of a model, while a watcher looks on.
///
/// It runs layer by layer: the tokens of all cases go through a layer before the next one is read, so that weights pass
/// through the memory once. Answers and bits are given, not drawn (teacher forcing), so that all tokens are known
/// before:
///
///     pictures --vision tower--> embeddings --+
///     words ----------------------------------+--> language model --+--> text features --+
///     bits of scales --word embed, projector--+                     +--> tokens ---------+--> generator
///
/// Each stage is in a file of its own.
package final class ForcedRun {
  let model: Model
  /// The model's, but for the schedule perhaps.
  let configuration: VARGPTConfiguration
  let cases: [PreparedCase]
  let scales: [ScaleStep]
  let weights: ModelWeights
  /// What every forward pass shares.
  let pass: RunContext
  /// The same where the watcher sees nothing.
  let unseenPass: RunContext
  /// The weights with those of the generator that the watcher rounds; nil where it rounds none.
  let roundedWeights: ModelWeights?
  let watcher: any ForcedRunWatcher
  let options: Options
  private let request: WeightRequest
  private var stepCount = 0
  private let arena: Arena

  /// How a run goes.
  package struct Options {
    /// Where the weights are.
    package var residency = WeightResidency.stream
    /// Type of cached keys and values.
    package var kvType = KVType.f32
    /// The model's weights with some of them replaced, which all layers are computed with; nil: the model's own. They
    /// may change whenever the watcher is called.
    package var replacedWeights: ReplacedWeights?
    /// Asked before each layer.
    package var isCancelled: () -> Bool
    /// Told what begins, and how many of all steps are done.
    package var progress: (_ step: String, _ done: Int, _ count: Int) -> Void

    package init(
      isCancelled: @escaping () -> Bool,
      progress: @escaping (_ step: String, _ done: Int, _ count: Int) -> Void
    ) {
      self.isCancelled = isCancelled
      self.progress = progress
    }
  }

  /// - Parameter configuration: the model's with another schedule; nil: the model's.
  package init(
    _ model: Model, cases: [PreparedCase], _ options: Options,
    configuration: VARGPTConfiguration? = nil, watcher: any ForcedRunWatcher
  ) throws {
    let configuration = configuration ?? model.configuration
    self.model = model
    self.configuration = configuration
    self.cases = cases
    self.options = options
    self.watcher = watcher
    scales = Self.scales(configuration)
    weights = try ModelWeights(
      source: options.replacedWeights ?? model.sources.source(options.residency),
      tensors: model.tensors)
    request = WeightRequest(id: model.runtime.nextRequestID)
    roundedWeights = try watcher.roundedWeights.map {
      try ModelWeights(source: $0, tensors: model.tensors)
    }
    let compute: Compute
    (compute, arena) = try Self.compute(
      model, rounds: roundedWeights != nil || options.replacedWeights != nil)
    pass = RunContext(compute: compute, observer: watcher, isCancelled: options.isCancelled)
    unseenPass = RunContext(compute: compute, isCancelled: options.isCancelled)
  }

  /// What computes, and its memory.
  package static func compute(
    _ model: Model, rounds: Bool = false
  ) throws -> (Compute, Arena) {
    var plan = MemoryPlan()
    let scratch = reserveCompute(&plan, model, rounds: rounds)
    guard let arena = Arena(plan) else { throw noMemory(plan.byteCount) }
    let compute = Compute(
      instructionSet: model.runtime.options.instructionSet, pool: try model.runtime.threads(),
      arena: arena, scratch: scratch)
    return (compute, arena)
  }

  /// Runs all stages.
  ///
  /// - Parameter state: where an earlier run of the same cases stood; nil begins anew.
  package func run(from state: ForcedRunState? = nil) throws {
    defer { weights.end(request) }
    if let state { stepCount = stepCount(before: state) }
    if let state, state.stage != .vision {
      try readWordsAndDrawings(from: state)
    } else {
      try readWordsAndDrawings(pictures: try readPictures(from: state))
    }
  }

  /// Says which weights follow.
  func begin(_ plan: WeightPlan) throws {
    try weights.begin(plan, for: request) { _, _ in }
  }

  /// A layer begins.
  func report(_ layer: String) {
    show(layer, stepCount)
    stepCount += 1
  }

  /// A part of the layer that was reported last begins.
  func report(part: String) { show(part, stepCount - 1) }

  private func show(_ step: String, _ done: Int) {
    // The patches, the merger, the embeddings and the generator's head are steps too.
    let count =
      configuration.vision.depth + configuration.languageModel.numHiddenLayers
      + configuration.generator.depth + 4
    options.progress(step, done, count)
  }

  private func stepCount(before state: ForcedRunState) -> Int {
    let (vision, language) = (
      configuration.vision.depth, configuration.languageModel.numHiddenLayers
    )
    return switch state.stage {
    case .vision: 1 + state.layer
    case .language: vision + 3 + state.layer
    case .generator: vision + 3 + language + state.layer
    }
  }

  package static func noMemory(_ byteCount: Int) -> VARLiteError {
    VARLiteError(.memory, "the system gave no \(byteCount) bytes")
  }
}
