import VARJSON
import VARKernels
import VARModels
import VARQuantization
import VQ4Format

/// A model of synthetic weights, ready to run.
package final class BenchmarkModel {
  /// Names of the recipes that weights can be stored by.
  package static var precisions: [String] { Recipe.builtInNames }

  let shape: ModelShape
  let precision: String
  let conditions: RunConditions
  let configuration: VARGPTConfiguration
  let weights: ModelWeights
  let run: RunContext
  let tensors: [(specification: TensorSpecification, description: VQ4TensorDescription)]
  /// All weights as they lie in memory.
  let weightMemory: UnsafeRawBufferPointer
  private let arena: Arena

  /// - Parameter precision: one of `precisions`.
  /// - Throws: `BenchmarkError` where memory or threads are refused.
  package convenience init(
    _ shape: ModelShape, precision: String, conditions: RunConditions, temporaryFolder: String
  ) throws {
    try self.init(
      shape, components: shape.components, precision: precision, conditions: conditions,
      temporaryFolder: temporaryFolder)
  }

  /// The weights of some components alone.
  init(
    _ shape: ModelShape, components: [TensorSpecification.Component], precision: String,
    conditions: RunConditions, temporaryFolder: String
  ) throws {
    self.shape = shape
    self.precision = precision
    self.conditions = conditions
    configuration = try shape.configuration()
    // The recipe sees the whole model, as in a conversion, whatever part of it is made.
    tensors = try TensorMaker(codebook: conditions.codebook).tensors(
      configuration.tensors, recipe: try Recipe(builtIn: precision)
    ).filter { components.contains($0.specification.component) }
    var groups: [TensorGroup: Int] = [:]
    for tensor in tensors where groups[tensor.specification.group] == nil {
      groups[tensor.specification.group] = groups.count
    }
    let source = try SyntheticWeights(
      tensors.map { ($0.description, groups[$0.specification.group] ?? 0) }, seed: 1,
      pages: conditions.pages, temporaryFolder: temporaryFolder)
    weightMemory = source.block
    weights = try ModelWeights(source: source, tensors: tensors.map(\.specification))
    var plan = MemoryPlan()
    let scratch = Compute.reserve(&plan, maximumColumns: source.largestQuantizedInput)
    arena = try Self.arena(plan)
    run = RunContext(
      compute: Compute(
        instructionSet: conditions.instructionSet, pool: try conditions.makePool(), arena: arena,
        scratch: scratch))
  }

  static func arena(_ plan: MemoryPlan) throws(BenchmarkError) -> Arena {
    guard let arena = Arena(plan) else {
      throw BenchmarkError(.outOfMemory, "the system refused \(plan.byteCount >> 20) MiB")
    }
    return arena
  }

  /// Token ids without a meaning of their own.
  func tokens(count: Int, seed: UInt64) -> [Int32] {
    var random = RandomBytes(seed: seed)
    return (0..<count).map { _ in Int32(random.next() % 1000) }
  }

  /// Elements of the matrices that fulfil a condition: each takes part in one multiply-add per row of activations.
  func matrixElements(where condition: (TensorSpecification) -> Bool) -> Int {
    tensors.reduce(0) { sum, tensor in
      tensor.specification.kind == .matrix && condition(tensor.specification)
        ? sum + tensor.description.elementCount : sum
    }
  }

  /// Bytes of weights that the language model reads for one token of text.
  var bytesPerToken: Int {
    tensors.reduce(0) { sum, tensor in
      let isTiedHead =
        tensor.specification.component == .llmEmbedding && tensor.specification.kind == .matrix
      let isRead =
        tensor.specification.component == .llm || tensor.specification.component == .llmHead
      return isRead || isTiedHead ? sum + tensor.description.byteCount : sum
    }
  }

  /// What every record of this model is printed with.
  var context: [(String, JSONValue)] {
    [("shape", .string(shape.rawValue)), ("precision", .string(precision))]
  }

  /// Bytes of all weights.
  var byteCount: Int { tensors.reduce(0) { $0 + $1.description.byteCount } }
}
