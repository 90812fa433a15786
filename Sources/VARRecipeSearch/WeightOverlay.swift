import VARCalibration
import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// A model's weights, some of them stored in other ways: made when a layer is reached, and dropped behind it, so that a
/// whole model in other precisions takes the memory of one layer.
final class WeightOverlay {
  let weights: ReplacedWeights
  private let original: any WeightSource
  private let rounder: WeightRounder
  private let pool: ThreadPool
  private let moments: InputKnowledge?
  private let specifications: [TensorSpecification]
  private let isCancelled: () -> Bool
  private var chosen: [TensorGroup: [(weight: TensorSpecification, storage: Storage)]] = [:]
  /// What is replaced in the layer at work.
  private var replaced: [Int] = []

  /// - Parameters:
  ///   - original: the model's weights, all of them readable at any time.
  ///   - base: the same for the runs, from wherever they come.
  ///   - moments: nil rounds to the nearest.
  init(
    _ model: Model, original: any WeightSource, base: any WeightSource, _ moments: InputKnowledge?,
    isCancelled: @escaping () -> Bool
  ) throws {
    weights = ReplacedWeights(base)
    self.original = original
    self.moments = moments
    self.isCancelled = isCancelled
    pool = try model.runtime.threads()
    rounder = WeightRounder(pool)
    specifications = model.tensors
  }

  /// From now on these weights are stored so.
  func choose(_ storages: [String: Storage]) throws {
    weights.removeAll()
    replaced = []
    chosen = [:]
    for weight in specifications {
      guard let storage = storages[weight.name] else { continue }
      chosen[weight.group, default: []].append((weight, storage))
    }
    for (group, members) in chosen where !RunPlaces.isLayer(group) {
      for member in members { _ = try replace(member.weight, by: member.storage) }
    }
  }

  /// A layer follows, and those before it are not read any more.
  func enter(_ place: RunPlace) throws {
    for tensor in replaced { weights.restore(tensor) }
    replaced = []
    for member in chosen[RunPlaces.group(at: place)] ?? [] {
      replaced += try replace(member.weight, by: member.storage)
    }
  }

  private func replace(_ weight: TensorSpecification, by storage: Storage) throws -> [Int] {
    if isCancelled() { throw ModelError.cancelled }
    guard let tensor = weights.tensorIndex(named: weight.name) else { return [] }
    let matrix = OriginalMatrix(original, tensor)
    let format = WeightRounder.format(of: matrix, storage.precision, groupSize: storage.groupSize)
    let compensation =
      storage.precision.isInteger ? try moments?.compensation(of: weight, pool, isCancelled) : nil
    let (rounded, error) = try rounder.round(weight.name, matrix, to: format, compensation)
    weights.replace(tensor, by: rounded)
    guard !error.outputShifts.isEmpty,
      let bias = weights.tensorIndex(named: weight.name.dropLast("weight".count) + "bias")
    else { return [tensor] }
    weights.replace(
      bias, by: try WeightRounder.shifted(bias, of: original, by: error.outputShifts))
    return [tensor, bias]
  }
}

/// What a calibration knows of the inputs of a model's matrices.
final class InputKnowledge {
  private let calibration: CalibrationFile
  private let model: Model
  /// What was made last: weights of one input follow each other.
  private var last: (key: String, value: Compensation)?

  init(_ calibration: CalibrationFile, _ model: Model) {
    self.calibration = calibration
    self.model = model
  }

  /// What integers of a weight are rounded by; nil rounds to the nearest.
  func compensation(
    of weight: TensorSpecification, _ pool: ThreadPool, _ isCancelled: () -> Bool
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
    let value = try Compensation(
      moments, isForIntegers: true, parted: { pool.parallel($0, $1) },
      beforeBlock: { if isCancelled() { throw ModelError.cancelled } })
    last = (key, value)
    return value
  }
}
