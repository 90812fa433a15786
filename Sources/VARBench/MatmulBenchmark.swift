import CVARKernels
import VARJSON
import VARKernels
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Measures the product of one weight matrix `[m, k]` with n rows of activations.
package struct MatmulBenchmark {
  private let conditions: RunConditions
  private let precision: Precision
  private let layers: [Linear]
  private let source: SyntheticWeights
  private let pool: ThreadPool

  /// Matrices that take turns: together they pass every cache, as the layers of a model do.
  private static let turnBytes = 256 << 20

  /// A weight matrix `[m, k]`.
  package struct Matrix {
    let m, k: Int
    let precision: Precision
    let groupSize: Int?

    /// - Parameter groupSize: inputs that share a scale; nil takes the recipes' default.
    package init(m: Int, k: Int, precision: Precision, groupSize: Int? = nil) {
      self.m = m
      self.k = k
      self.precision = precision
      self.groupSize = groupSize
    }
  }

  package init(
    _ conditions: RunConditions, _ matrix: Matrix, temporaryFolder: String
  ) throws(BenchmarkError) {
    let (m, k) = (matrix.m, matrix.k)
    let (precision, groupSize) = (matrix.precision, matrix.groupSize)
    guard (1...1_048_576).contains(m), (1...65_536).contains(k) else {
      throw BenchmarkError(.invalidRequest, "m is 1 to 1048576, k 1 to 65536")
    }
    let wanted = groupSize ?? precision.defaultGroupSize
    let group = precision.isInteger ? precision.groupSize(wanted: wanted, cols: k) : 0
    guard let group, groupSize == nil || group == groupSize else {
      throw BenchmarkError(
        .invalidRequest, "no group of \(wanted) inputs divides k = \(k) in \(precision.rawValue)")
    }
    self.conditions = conditions
    self.precision = precision
    pool = try conditions.makePool()
    let maker = TensorMaker(codebook: conditions.codebook)
    let one = maker.description(
      "weight", shape: [m, k], layout: .tiles, precision: precision, groupSize: group)
    let count = max(1, min(64, Self.turnBytes / max(one.byteCount, 1)))
    let tensors = (0..<count).map { index in
      (
        description: maker.description(
          "weight.\(index)", shape: [m, k], layout: .tiles, precision: precision, groupSize: group),
        group: 0
      )
    }
    let source = try SyntheticWeights(
      tensors, seed: 1, pages: conditions.pages, temporaryFolder: temporaryFolder)
    self.source = source
    layers = (0..<count).map { Linear(matrix: ModelWeights.matrix($0, in: source)) }
  }

  /// `gemm` (GOPS) and `weight_bandwidth` (GB/s) for n rows of activations.
  package func records(n: Int) throws(BenchmarkError) -> [BenchmarkRecord] {
    guard (1...65_536).contains(n) else {
      throw BenchmarkError(.invalidRequest, "n is 1 to 65536")
    }
    let (m, k) = (layers[0].rows, layers[0].cols)
    var plan = MemoryPlan()
    let scratch = Compute.reserve(&plan, maximumColumns: k)
    let input = plan.reserve("input", rows: n, columns: k)
    let output = plan.reserve("output", rows: n, columns: m)
    guard let arena = Arena(plan) else {
      throw BenchmarkError(.outOfMemory, "the system refused \(plan.byteCount >> 20) MiB")
    }
    let compute = Compute(
      instructionSet: conditions.instructionSet, pool: pool, arena: arena, scratch: scratch)
    let (x, y) = (arena.rows(input), arena.rows(output))
    var random = RandomBytes(seed: 2)
    for index in x.values.indices { x.values[index] = random.signed() }
    var turn = 0
    let seconds = Stopwatch.repeated(conditions.repeats) {
      let layer = layers[turn % layers.count]
      turn += 1
      for rows in Compute.rowBlocks(n) { compute.linear(x[rows], layer, into: y[rows]) }
    }
    let operations = 2 * Double(m) * Double(k) * Double(n)
    let bytes = Double(source.description(ofTensor: 0).byteCount)
    let context: [(String, JSONValue)] = [
      ("shape", .string("\(m)x\(k)")), ("precision", .string(precision.rawValue)),
      ("m", .integer(m)), ("k", .integer(k)), ("n", .integer(n)),
      ("group_size", .integer(source.description(ofTensor: 0).groupSize)),
    ]
    return [
      BenchmarkRecord("gemm", "GOPS", seconds.map { operations / $0 * 1e-9 }, context: context),
      BenchmarkRecord(
        "weight_bandwidth", "GB/s", seconds.map { bytes / $0 * 1e-9 }, context: context),
    ]
  }
}
