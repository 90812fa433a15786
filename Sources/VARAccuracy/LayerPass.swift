import VARForcedRun
import VARKernels
import VARLite
import VARModels

/// Takes rows that were kept through the linear layers of a model, each layer by itself: its weights pass through the
/// memory once, in the order in which the networks read them.
struct LayerPass {
  private let model: Model
  private let record: LayerRecord
  private let options: ForcedRun.Options

  /// - Parameter record: of a model of the same configuration.
  init(_ model: Model, _ record: LayerRecord, _ options: ForcedRun.Options) {
    self.model = model
    self.record = record
    self.options = options
  }

  /// What a matrix, or some rows of a large one, makes of the rows that were kept of its input.
  struct Output {
    let name: String
    /// Which values of an output these are.
    let columns: Range<Int>
    let rows: Rows
    /// What is added to each row in them; nil where nothing is.
    let bias: UnsafePointer<Float>?
  }

  /// Runs `body` for each matrix whose input has rows.
  func run(_ body: (Output) throws -> Void) throws {
    var memory = MemoryPlan()
    let scratch = model.reserveCompute(&memory)
    guard let arena = Arena(memory) else { throw ForcedRun.noMemory(memory.byteCount) }
    let compute = Compute(
      instructionSet: model.runtime.options.instructionSet, pool: try model.runtime.threads(),
      arena: arena, scratch: scratch)
    let weights = try ModelWeights(
      source: model.sources.source(options.residency), tensors: model.tensors)
    let request = WeightRequest(
      id: model.runtime.nextRequestID, isCancelled: options.isCancelled)
    defer { weights.end(request) }
    let plans = ForcedRun.layerPlans(model, options.residency)
    let partCount = plans.reduce(0) { $0 + $1.pass.parts.count }
    var doneCount = 0
    for plan in plans where !plan.pass.parts.isEmpty {
      try weights.begin(plan, for: request) { _, _ in }
      try weights.forEachMatrix(of: plan.pass) { name, columns, layer in
        if options.isCancelled() { throw ModelError.cancelled }
        options.progress("layers", doneCount, partCount)
        doneCount = min(doneCount + 1, partCount - 1)
        guard let place = record.places.outputs[name] else { return }
        let input = try record.input(place.input)
        guard input.count > 0 else { return }
        var values = [Float](repeating: 0, count: input.count * columns.count)
        try values.withMutableRows(columns: columns.count) { output in
          input.values.withRows(columns: layer.cols) {
            compute.linear($0, layer, into: output)
          }
          try body(Output(name: name, columns: columns, rows: output, bias: layer.bias))
        }
      }
    }
  }
}
