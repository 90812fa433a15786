import VARCalibration
import VARForcedRun
import VARLite
import VARModels
import VARQuantization
import VQ4Format

/// A model's weights, some of them stored in other ways: made when a layer is reached, and dropped behind it, so that a
/// whole model in other precisions takes the memory of one layer.
final class WeightOverlay {
  let weights: ReplacedWeights
  private let rounder: WeightRounder
  private let knowledge: WeightKnowledge
  private let isCompensated: Bool
  private let specifications: [TensorSpecification]
  private let isCancelled: () -> Bool
  private var chosen: [TensorGroup: [(weight: TensorSpecification, storage: Storage)]] = [:]
  /// What is replaced in the layer at work.
  private var replaced: [Int] = []
  /// Weights of a small model that were rounded before.
  private var kept: [String: Rounded] = [:]

  /// - Parameters:
  ///   - base: the model's weights for the runs, from wherever they come.
  ///   - isCompensated: false rounds to the nearest.
  init(
    _ knowledge: WeightKnowledge, base: any WeightSource, isCompensated: Bool,
    isCancelled: @escaping () -> Bool
  ) throws {
    let model = knowledge.model
    weights = ReplacedWeights(base)
    self.knowledge = knowledge
    self.isCompensated = isCompensated
    self.isCancelled = isCancelled
    rounder = WeightRounder(try model.runtime.threads())
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
    let (rounded, shifts) = try rounded(weight, storage, tensor)
    weights.replace(tensor, by: rounded)
    guard !shifts.isEmpty,
      let bias = weights.tensorIndex(named: weight.name.dropLast("weight".count) + "bias")
    else { return [tensor] }
    weights.replace(
      bias, by: try WeightRounder.shifted(bias, of: knowledge.original, by: shifts))
    return [tensor, bias]
  }

  private typealias Rounded = (weight: ReplacedWeights.Replacement, shifts: [Float])

  /// A weight as it is stored, and what its bias takes over.
  private func rounded(
    _ weight: TensorSpecification, _ storage: Storage, _ tensor: Int
  ) throws -> Rounded {
    let key = "\(weight.name) \(storage.name)"
    if let known = kept[key] { return known }
    let matrix = OriginalMatrix(knowledge.original, tensor)
    let compensation =
      storage.precision.isInteger && isCompensated
      ? try knowledge.compensation(of: weight, isCancelled) : nil
    let (rounded, error) = try rounder.round(
      weight.name, matrix, to: knowledge.format(of: weight, storage, matrix), compensation)
    if knowledge.keepsWeights { kept[key] = (rounded, error.outputShifts) }
    return (rounded, error.outputShifts)
  }
}
