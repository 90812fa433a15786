import VARKernels
import VARLite
import VARModels
import VARSystem

/// How far the outputs of a model's linear layers are from the reference's, each for the reference's inputs: errors do
/// not add up from layer to layer.
///
/// The error of a layer is the root of `sum of |y - y'|² / sum of |W x|²` over all tokens, where `y` and `y'` are the
/// outputs of both models and `W` is the reference's weight.
final class LayerOutputs {
  private let model: LayerWeights
  private(set) var sums: [String: Sums] = [:]

  struct Sums {
    var squaredError = 0.0
    var squaredOutput = 0.0

    var error: Double { squaredOutput > 0 ? (squaredError / squaredOutput).squareRoot() : 0 }
  }

  init(_ model: Model) throws { self.model = try LayerWeights(model) }

  /// - Parameters:
  ///   - expected: what the reference makes of the input.
  ///   - bias: of the reference.
  func add(_ name: String, _ input: Rows, expected: Rows, bias: [Float]) throws(ModelError) {
    var values = [Float](repeating: 0, count: expected.count * expected.columns)
    let model = model
    let sums = try values.withUnsafeMutableBufferPointer { values throws(ModelError) in
      let output = Rows(values.baseAddress!, count: expected.count, columns: expected.columns)
      _ = try model.multiply(name, input, into: output)
      return Self.compare(output, expected, bias)
    }
    self.sums[name, default: Sums()].squaredError += sums.squaredError
    self.sums[name, default: Sums()].squaredOutput += sums.squaredOutput
  }

  private static func compare(_ output: Rows, _ expected: Rows, _ bias: [Float]) -> Sums {
    var sums = Sums()
    for row in 0..<output.count {
      let (values, wanted) = (output[row], expected[row])
      for column in 0..<output.columns {
        let error = Double(values[column]) - Double(wanted[column])
        let product = Double(wanted[column]) - (bias.isEmpty ? 0 : Double(bias[column]))
        sums.squaredError += error * error
        sums.squaredOutput += product * product
      }
    }
    return sums
  }
}

/// Computes single layers of a model, apart from any request.
final class LayerWeights {
  private let weights: ModelWeights
  private let request: WeightRequest
  private let compute: Compute
  private let arena: Arena

  init(_ model: Model) throws {
    weights = try ModelWeights(source: model.sources.source(.map), tensors: model.tensors)
    request = WeightRequest(id: model.runtime.nextRequestID)
    var plan = MemoryPlan()
    let scratch = model.reserveCompute(&plan)
    guard let arena = Arena(plan) else {
      throw VARLiteError(.memory, "the system gave no \(plan.byteCount) bytes")
    }
    self.arena = arena
    compute = Compute(
      instructionSet: model.runtime.options.instructionSet, pool: try model.runtime.threads(),
      arena: arena, scratch: scratch)
    let weightPlan = model.sources.layerPlan(.map, withHead: true, budgetBytes: nil)
    try weights.begin(weightPlan, for: request) { _, _ in }
  }

  deinit { weights.end(request) }

  /// Gives the bias; none where the layer has none.
  func multiply(_ name: String, _ input: Rows, into output: Rows) throws(ModelError) -> [Float] {
    var bias: [Float] = []
    try weights.forEachPart(ofLayer: name) { rows, layer in
      compute.linear(input, layer, into: output[columns: rows])
      if let values = layer.bias {
        bias = Array(UnsafeBufferPointer(start: values, count: layer.rows))
      }
    }
    return bias
  }
}
