import VARKernels
import VARLite
import VARModels
import VARSystem

/// Shows the layers of a model all tokens of many cases, and adds up what goes into them.
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
package final class CalibrationRun {
  let model: Model
  let cases: [PreparedCase]
  let scales: [ScaleStep]
  let weights: ModelWeights
  /// What every forward pass shares.
  let pass: RunContext
  let collector: MomentCollector
  private let request: WeightRequest
  private let emit: (String, InputMoments) throws -> Void
  private let options: Options
  private var stepCount = 0
  private let arena: Arena

  /// What a run gives for one input.
  package typealias Emit = (_ name: String, _ moments: CalibratedInput) throws -> Void

  /// How a run goes.
  package struct Options {
    /// Columns of a block of second moments.
    let blockCols: Int
    /// Asked before each layer.
    let isCancelled: () -> Bool
    /// Told what begins, and how many of all steps are done.
    let progress: (_ step: String, _ done: Int, _ count: Int) -> Void
  }

  /// - Parameter emit: called with each input when all tokens are counted.
  package init(
    _ model: Model, cases: [CalibrationCase], _ options: Options, emit: @escaping Emit
  ) throws {
    self.model = model
    self.options = options
    self.emit = { name, moments in try emit(name, CalibratedInput(moments)) }
    let configuration = model.configuration
    // Guidance doubles the rows of a picture.
    let branchCount = configuration.imageSampling.cfgScale == 1 ? 1 : 2
    scales = configuration.schedule.steps(branchCount: branchCount)
    self.cases = try cases.enumerated().map { index, item in
      if options.isCancelled() { throw ModelError.cancelled }
      options.progress("case \(index + 1) of \(cases.count)", 0, 1)
      return try PreparedCase(item, model, schedule: configuration.schedule)
    }
    weights = try ModelWeights(source: model.sources.source(.stream), tensors: model.tensors)
    request = WeightRequest(id: model.runtime.nextRequestID)
    var plan = MemoryPlan()
    let scratch = model.reserveCompute(&plan)
    guard let arena = Arena(plan) else { throw Self.noMemory(plan.byteCount) }
    self.arena = arena
    let compute = Compute(
      instructionSet: model.runtime.options.instructionSet, pool: try model.runtime.threads(),
      arena: arena, scratch: scratch)
    collector = MomentCollector(compute, inputs: Self.inputs(model), blockCols: options.blockCols)
    pass = RunContext(
      compute: compute, observer: collector, isCancelled: options.isCancelled)
  }

  /// Numbers of the tensors whose inputs are counted: of the layers that share one, the first.
  private static func inputs(_ model: Model) -> [Int: String] {
    var inputs: [Int: String] = [:]
    for tensor in model.tensors where tensor.kind == .matrix && tensor.input == tensor.name {
      guard let index = model.file.tensorIndex(named: tensor.name) else { continue }
      inputs[index] = tensor.name
    }
    return inputs
  }

  /// Runs all stages.
  package func run() throws {
    defer { weights.end(request) }
    try readWordsAndDrawings(try readPictures())
  }

  /// Says which weights follow.
  func begin(_ plan: WeightPlan) throws {
    try weights.begin(plan, for: request) { _, _ in }
  }

  /// A layer begins.
  func report(_ layer: String) {
    let configuration = model.configuration
    let count =
      configuration.vision.depth + configuration.languageModel.numHiddenLayers
      + configuration.generator.depth + 4
    options.progress(layer, stepCount, count)
    stepCount += 1
  }

  /// A layer is done: what it was shown goes out, and its memory with it.
  func finishLayer() throws {
    for (name, moments) in collector.take().sorted(by: { $0.key < $1.key }) {
      try emit(name, moments)
    }
  }
}

/// What was counted of one input.
package struct CalibratedInput {
  package let cols: Int
  package let blockCols: Int
  package let tokenCount: Int
  package let weightSum: Double
  /// Mean of each column.
  package let means: [Float]
  /// Largest magnitude of each column.
  package let largest: [Float]
  /// `E[x⁴] / E[x²]²` over all columns; 3 for a normal distribution.
  package let kurtosis: Double
  /// Mean of `x xᵀ`, as `SecondMoments` has it.
  package let triangles: [Float]

  init(_ moments: InputMoments) {
    cols = moments.cols
    blockCols = moments.blockCols
    tokenCount = moments.tokenCount
    weightSum = moments.weightSum
    let share = weightSum > 0 ? 1 / weightSum : 0
    means = moments.sums.map { Float($0 * share) }
    largest = moments.largest
    let count = weightSum * Double(cols)
    kurtosis =
      moments.squareSum > 0
      ? moments.fourthSum * count / (moments.squareSum * moments.squareSum) : 0
    triangles = moments.triangles.map { Float(Double($0) * share) }
  }
}
