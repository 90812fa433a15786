import VARCalibration
import VARConversion
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem

/// What the weights of a model are rounded by: codebooks that they ask for, and moments of their inputs.
final class WeightKnowledge {
  let model: Model
  /// The model's weights, all of them readable at any time.
  let original: any WeightSource
  let pool: ThreadPool
  /// Whether the model is small enough to keep weights that were rounded.
  let keepsWeights: Bool
  private let calibration: CalibrationFile
  private var formats: [String: WeightFormat] = [:]
  /// What was made last: weights of one input follow each other.
  private var last: (key: String, value: Compensation)?

  private static let keptWeightCount = 1 << 26

  /// - Parameter calibration: of the model's inputs.
  init(_ model: Model, _ calibration: CalibrationFile) throws {
    self.model = model
    self.calibration = calibration
    original = model.sources.source(.map)
    pool = try model.runtime.threads()
    keepsWeights =
      model.tensors.reduce(0) { $0 + $1.elementCount } <= Self.keptWeightCount
  }

  /// How a weight is stored, with its codebook.
  func format(
    of weight: TensorSpecification, _ storage: Storage, _ matrix: OriginalMatrix
  ) -> WeightFormat {
    let key = "\(weight.name) \(storage.name)"
    if let known = formats[key] { return known }
    let format = WeightRounder.format(of: matrix, storage.precision, groupSize: storage.groupSize)
    formats[key] = format
    return format
  }

  /// What integers of a weight are rounded by; nil rounds to the nearest.
  func compensation(
    of weight: TensorSpecification, _ isCancelled: () -> Bool
  ) throws -> Compensation? {
    guard weight.kind == .matrix else { return nil }
    let bias = weight.name.dropLast("weight".count) + "bias"
    let hasBias = model.file.tensorIndex(named: String(bias)) != nil
    let key = "\(weight.input) \(hasBias)"
    if let last, last.key == key { return last.value }
    last = nil
    guard
      let moments = try calibration.moments(
        of: weight.input, cols: weight.cols, hasBias: hasBias)
    else { return nil }
    let pool = pool
    let value = try Compensation(
      moments, isForIntegers: true, parted: { pool.parallel($0, $1) },
      beforeBlock: { if isCancelled() { throw ModelError.cancelled } })
    last = (key, value)
    return value
  }
}
