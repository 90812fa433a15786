import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Measures what groups of weights cost in int4 and in int8, and what some whole recipes cost.
final class ProbeRuns {
  private let model: Model
  private let weights: [TensorSpecification]
  private let paths: RecipeSearch.Paths
  private let options: RecipeSearch.Options
  private let cases: [PreparedCase]
  private let groups: [ProbeGroup]
  private let overlay: WeightOverlay
  private let residency: WeightResidency
  private let isCompensated: Bool

  /// A model that differs from the unchanged one.
  private struct Probe {
    let key: String
    /// How weights are stored that differ.
    var storages: [String: Storage] = [:]
    var start: RunPlace?
    var kvType = KVType.f32
  }

  /// - Parameter isCompensated: whether weights are rounded as conversions round; false rounds to the nearest.
  init(
    _ knowledge: WeightKnowledge, isCompensated: Bool, _ paths: RecipeSearch.Paths,
    _ options: RecipeSearch.Options
  ) throws {
    model = knowledge.model
    weights = model.tensors.filter { $0.kind != .vector }
    self.isCompensated = isCompensated
    self.paths = paths
    self.options = options
    // A file that is larger than the memory is read layer by layer.
    residency = model.fileByteCount <= options.conversion.memoryByteCount ? .map : .stream
    let run = ForcedRun.Options(
      isCancelled: options.isCancelled, progress: { options.progress("preparing \($0)", $1, $2) })
    cases = try SearchCases.prepare(model, count: options.caseCount, run)
    groups = ProbeGroup.groups(
      weights,
      RunPlaces(
        configuration: model.configuration,
        hasPictures: cases.contains { $0.looksAtPictures }))
    overlay = try WeightOverlay(
      knowledge, base: model.sources.source(residency), isCompensated: isCompensated,
      isCancelled: options.isCancelled)
  }

  /// Measures what the state lacks, and keeps each figure.
  func run(_ state: inout SearchState) throws {
    try SearchCases.requireMemory(
      ForcedRun.memoryByteCount(cases, model, rounds: true) + largestLayerByteCount,
      options.conversion.memoryByteCount, "to measure groups of weights")
    let reference = try ReferenceOutputs(folder: FileTree.folder(of: paths.state))
    let recorder = ReferenceRecorder(
      reference, cases: cases, places: Set(groups.compactMap(\.start)))
    let probes = try simpleProbes()
    let count = probes.count + (isCompensated ? Self.checkedShares.count : 0)
    try pass("the unchanged model", (0, count), recorder, (nil, .f32))
    for (index, probe) in probes.enumerated() {
      try measure(probe, (index, count), reference, &state)
    }
    guard isCompensated, let frontier = try MeasuredFrontier(weights, groups, state) else { return }
    for (index, share) in Self.checkedShares.enumerated() {
      let storages = probed(frontier.storages(atShare: share))
      let probe = Probe(
        key: Self.key(share), storages: storages,
        kvType: weights.contains { weight in
          weight.component == .llm && storages[weight.name]?.precision.isInteger == true
        } ? .int8 : .f32)
      try measure(probe, (probes.count + index, count), reference, &state)
    }
  }

  /// Of the way from the smallest recipe to the largest, where the frontier is measured as a whole.
  static let checkedShares = [0.0, 0.12, 0.35]
  static let cacheKey = "keys and values in int8"
  static let int4Key = "recipe int4"
  static let int8Key = "all in int8"
  static func key(_ group: ProbeGroup, _ storage: Storage) -> String {
    "\(group.name) in \(storage.name)"
  }
  static func key(_ share: Double) -> String { "recipe at \(share) of the way" }

  private func simpleProbes() throws -> [Probe] {
    let ofGroups = groups.flatMap { group in
      // Of a large model the share of activations in int8 is measured once for all groups.
      (isCompensated ? [Storage.int4, .int8] : [.int4]).map { storage in
        Probe(
          key: Self.key(group, storage),
          storages: Dictionary(uniqueKeysWithValues: group.weights.map { ($0, storage) }),
          start: group.start)
      }
    }
    let int4 = try Recipe(builtIn: "int4").storages(of: weights)
    let int8 = Dictionary(uniqueKeysWithValues: weights.map { ($0.name, Storage.int8) })
    return ofGroups + [
      Probe(key: Self.cacheKey, kvType: .int8),
      Probe(key: Self.int4Key, storages: probed(int4), kvType: .int8),
    ] + (isCompensated ? [] : [Probe(key: Self.int8Key, storages: probed(int8), kvType: .int8)])
  }

  /// Those of the weights that a run passes, as they fit each.
  private func probed(_ storages: [String: Storage]) -> [String: Storage] {
    let names = Set(groups.flatMap(\.weights))
    return storages.filter { names.contains($0.key) }
  }

  private var largestLayerByteCount: Int {
    let layers = Dictionary(grouping: weights.filter { !$0.isOfPictureTokenizer }, by: \.group)
    return layers.values.map { $0.reduce(0) { $0 + $1.byteCount(.f16) / 2 } }.max() ?? 0
  }

  private func measure(
    _ probe: Probe, _ progress: (done: Int, count: Int), _ reference: ReferenceOutputs,
    _ state: inout SearchState
  ) throws {
    guard state.probes[probe.key] == nil else { return }
    let columns = Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.cols) })
    try overlay.choose(
      probe.storages.reduce(into: [:]) { fitted, item in
        let storage = item.value.fitted(cols: columns[item.key] ?? 1)
        // What stays as it is costs nothing.
        if storage.precision.isInteger { fitted[item.key] = storage }
      })
    let watcher = ProbeWatcher(reference, cases: cases, overlay)
    let start = try probe.start.flatMap { try reference.state(at: $0) }
    try pass(probe.key, progress, watcher, (overlay.weights, probe.kvType), from: start)
    state.probes[probe.key] = watcher.change
    try state.write(to: paths.state)
  }

  private func pass(
    _ name: String, _ progress: (done: Int, count: Int), _ watcher: any ForcedRunWatcher,
    _ change: (weights: ReplacedWeights?, kvType: KVType), from state: ForcedRunState? = nil
  ) throws {
    let options = options
    var run = ForcedRun.Options(isCancelled: options.isCancelled) { step, _, _ in
      options.progress("\(name): \(step)", progress.done, progress.count)
    }
    run.residency = residency
    run.replacedWeights = change.weights
    run.kvType = change.kvType
    try ForcedRun(model, cases: cases, run, watcher: watcher).run(from: state)
  }
}

extension Recipe {
  /// How a recipe stores weights, by their names.
  func storages(
    of weights: [TensorSpecification]
  ) throws(QuantizationError) -> [String: Storage] {
    let decisions = try decisions(
      for: weights.map {
        Recipe.Subject(name: $0.name, component: $0.component.rawValue, layer: $0.layer)
      })
    var storages: [String: Storage] = [:]
    for (weight, decision) in zip(weights, decisions) {
      let (precision, groupSize) = decision.storage(cols: weight.cols)
      storages[weight.name] = Storage(precision, groupSize: groupSize)
    }
    return storages
  }
}
