import VARModels
import VQ4Format

/// What a phase computes, in units that `MachineSpeed` measures.
struct PhaseWork: Sendable {
  /// Multiply-adds with many rows of activations, int8 or int4 weights.
  var quantizedOperations = 0.0
  /// Multiply-adds in f32: float weights, attention.
  var floatOperations = 0.0
  /// Bytes of weights that go through products with one row.
  var singleRowBytes = 0.0

  func seconds(_ speed: MachineSpeed) -> Double {
    quantizedOperations / speed.quantizedOperations + floatOperations / speed.floatOperations
      + singleRowBytes / speed.weightBytes
  }

  static func + (left: PhaseWork, right: PhaseWork) -> PhaseWork {
    var sum = left
    sum.quantizedOperations += right.quantizedOperations
    sum.floatOperations += right.floatOperations
    sum.singleRowBytes += right.singleRowBytes
    return sum
  }

  static func sum(_ parts: [[PhaseWork]]) -> PhaseWork {
    parts.joined().reduce(PhaseWork(), +)
  }

  /// Adds the products of a model's matrices that fulfil a condition with `rows` rows of activations.
  mutating func add(
    _ model: Model, rows: Int, where condition: (TensorSpecification) -> Bool
  ) {
    for tensor in model.tensors where condition(tensor) { add(tensor, of: model, rows: rows) }
  }

  mutating func add(_ specification: TensorSpecification, of model: Model, rows: Int) {
    guard let tensor = model.file.tensorIndex(named: specification.name) else { return }
    let description = model.file.tensors[tensor].description
    guard description.layout == .tiles else { return }
    let operations = Double(description.elementCount) * Double(rows)
    if rows == 1 {
      singleRowBytes += Double(description.byteCount)
    } else if description.elementType.isQuantized {
      quantizedOperations += operations
    } else {
      floatOperations += operations
    }
  }

  /// Adds a convolution of the picture tokenizer, and the norm, activation and transforms around it.
  mutating func addConvolution(_ specification: TensorSpecification, of model: Model, pixels: Int) {
    var own = PhaseWork()
    own.add(specification, of: model, rows: pixels)
    guard own.quantizedOperations + own.floatOperations > 0 else { return }
    own.floatOperations /= Self.winogradSaving
    let valueCount = Double(specification.shape.first ?? 0) * Double(pixels)
    own.floatOperations += Self.operationsPerConvolvedValue * valueCount
    self = self + own
  }

  /// Convolutions of 3 x 3 in f32 are transformed, so that they take fewer multiplications.
  private static let winogradSaving = 2.25
  /// What is done with each value that a convolution gives takes the time of so many multiply-adds.
  private static let operationsPerConvolvedValue = 75.0

  /// Adds attention of `rows` queries to `keys` keys each, over `layers` layers of `width` values.
  mutating func addAttention(rows: Int, keys: Int, width: Int, layers: Int) {
    floatOperations += 2 * Double(rows) * Double(keys) * Double(width) * Double(layers)
  }
}
