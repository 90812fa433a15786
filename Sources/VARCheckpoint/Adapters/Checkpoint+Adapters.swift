/// What the checkpoint's tensors owe to adapters.
package struct MergedAdapter: Sendable {
  /// Name of its shard in the checkpoint.
  package let shardName: String
  /// What its updates are multiplied by.
  package let scale: Double
  /// The bytes of `adapter_config.json`.
  package let configurationBytes: [UInt8]
}

extension Checkpoint {
  /// The checkpoint with the adapters merged, in their order; their files become shards of it.
  ///
  /// Nothing is computed yet: a tensor that an adapter changes remembers how, and adds it when it is read. The factors
  /// stay tensors of the checkpoint, as `lora/N/NAME`.
  /// - Parameter checkpointName: the checkpoint's name of a tensor that an adapter calls as another version would.
  /// - Throws: `CheckpointError` that names the tensor of an adapter which fits nothing, has another shape, or lacks
  ///   its other half.
  package func merging(
    _ adapters: [Adapter], checkpointName: @escaping (String) -> String
  ) throws(CheckpointError) -> Checkpoint {
    guard !adapters.isEmpty else { return self }
    var merge = AdapterMerge(base: self, checkpointName: checkpointName)
    for (index, adapter) in adapters.enumerated() {
      try merge.add(adapter, shardName: "lora/\(index + 1)/\(adapter.shard.name)")
    }
    return try merge.checkpoint()
  }

  /// The tensors that are factors of an adapter, each with the tensor that it changes.
  package var factorTargets: [String: String] {
    var targets: [String: String] = [:]
    for tensor in tensors {
      for update in tensor.updates {
        targets[update.downward.name] = tensor.name
        targets[update.upward.name] = tensor.name
      }
    }
    return targets
  }
}

/// The work of `Checkpoint.merging`.
private struct AdapterMerge {
  private let base: Checkpoint
  private let checkpointName: (String) -> String
  private var updates: [String: [LowRankUpdate]] = [:]
  /// Tensors that an adapter replaces, and the name of its shard.
  private var replacements: [String: String] = [:]
  private var shards: [CheckpointShard] = []
  private var merged: [MergedAdapter] = []

  /// The two matrices of a module.
  private struct Factors {
    var downward: CheckpointTensor?
    var upward: CheckpointTensor?
    let isEmbedding: Bool
  }

  init(base: Checkpoint, checkpointName: @escaping (String) -> String) {
    self.base = base
    self.checkpointName = checkpointName
  }

  func checkpoint() throws(CheckpointError) -> Checkpoint {
    let kept = base.shards.map { shard in
      shard.replacing(as: shard.name, shard.tensors.filter { replacements[$0.name] == nil })
    }
    let all = (kept + shards).map { shard in
      shard.replacing(
        as: shard.name,
        shard.tensors.map { tensor in
          var tensor = tensor
          tensor.updates += updates[tensor.name] ?? []
          return tensor
        })
    }
    let names = Set(updates.keys).union(replacements.keys)
    return try Checkpoint(
      directory: base.directory, shards: all, adapters: merged, adaptedNames: names)
  }

  mutating func add(_ adapter: Adapter, shardName: String) throws(CheckpointError) {
    var modules: [String: Factors] = [:]
    var order: [String] = []
    var tensors: [CheckpointTensor] = []
    var whole: [String] = []
    for tensor in adapter.shard.tensors {
      let part = AdapterTensor(tensor.name)
      switch part {
      case .unknown: throw Self.unknown(tensor)
      case .whole(let name):
        let replaced = try replacement(tensor, name, adapter)
        guard replacements.updateValue(shardName, forKey: replaced) == nil else {
          throw Self.fault(
            .duplicateTensor, tensor, "replaces \(replaced), which is replaced already")
        }
        tensors.append(tensor.renamed(replaced))
        whole.append(name)
      case .factor(let module, let isUpward, let isEmbedding):
        let factor = tensor.renamed("\(shardName.dropLast(adapter.shard.name.count))\(tensor.name)")
        tensors.append(factor)
        if modules[module] == nil { order.append(module) }
        var factors = modules[module] ?? Factors(isEmbedding: isEmbedding)
        guard (isUpward ? factors.upward : factors.downward) == nil,
          factors.isEmbedding == isEmbedding
        else {
          throw Self.fault(
            .duplicateTensor, tensor, "is a second one for \(module); save one adapter alone")
        }
        if isUpward { factors.upward = factor } else { factors.downward = factor }
        modules[module] = factors
      }
    }
    for module in order {
      guard let factors = modules[module] else { continue }
      try add(factors, of: module, adapter, shardName)
    }
    try checkSavedModules(of: adapter, found: whole)
    shards.append(adapter.shard.replacing(as: shardName, tensors))
    merged.append(
      MergedAdapter(
        shardName: shardName, scale: adapter.scale,
        configurationBytes: adapter.configurationBytes))
  }

  // MARK: - Updates

  private mutating func add(
    _ factors: Factors, of module: String, _ adapter: Adapter, _ shardName: String
  ) throws(CheckpointError) {
    guard let downward = factors.downward, let upward = factors.upward else {
      let found = factors.downward ?? factors.upward
      throw CheckpointError(
        .missingTensor, path: adapter.shard.path, tensor: found?.name,
        "stands without its other half (lora_A and lora_B belong together); the adapter is incomplete"
      )
    }
    guard let target = target(of: module + ".weight") else {
      throw Self.fault(
        .unmatchedTarget, downward,
        "changes \(module), which the checkpoint does not have; the adapter belongs to another model"
      )
    }
    let (rank, factor) = adapter.configuration.scaling(of: module)
    let isTransposed = factors.isEmbedding || adapter.configuration.fanInFanOut
    let update = LowRankUpdate(
      downward: downward, upward: upward, rank: rank, factor: Float(adapter.scale * factor),
      isTransposed: isTransposed)
    guard update.factor.isFinite else {
      throw Self.fault(
        .unsupportedAdapter, downward,
        "is multiplied by \(adapter.scale * factor); that is too much")
    }
    try check(update, target)
    // An adapter may bring the embedding that its own matrices are added to.
    guard replacements[target.name] ?? shardName == shardName else {
      throw Self.fault(
        .duplicateTensor, downward,
        "changes \(target.name), which another adapter replaces; only one of them can be merged")
    }
    updates[target.name, default: []].append(update)
  }

  /// Whether the shapes belong together: `[rank, in...]` and `[out, rank]`, behind which a convolution has ones.
  private func check(_ update: LowRankUpdate, _ target: CheckpointTensor) throws(CheckpointError) {
    for tensor in [update.downward, update.upward, target] where !tensor.elementType.isFloat {
      throw Self.fault(
        .unsupportedAdapter, tensor,
        "is of type \(tensor.typeName); weights are read from bf16, f16 and f32")
    }
    let shape = target.shape
    let expected =
      update.isTransposed
      ? (down: [update.rank, shape.first ?? 0], up: Array(shape.dropFirst()) + [update.rank])
      : (down: [update.rank] + shape.dropFirst(), up: [shape.first ?? 0, update.rank])
    let ones = [Int](repeating: 1, count: max(0, update.isTransposed ? 0 : shape.count - 2))
    for (tensor, wanted) in [(update.downward, expected.down), (update.upward, expected.up + ones)]
    {
      guard shape.count >= 2, !update.isTransposed || shape.count == 2, tensor.shape == wanted
      else {
        throw Self.fault(
          .invalidShape, tensor,
          "has shape \(tensor.shape), but \(target.name) of shape \(shape) and rank \(update.rank) "
            + "take \(wanted); the adapter belongs to another model, or to another configuration")
      }
    }
  }

  // MARK: - Whole tensors

  /// The name of the base's tensor that a whole one of the adapter replaces.
  private func replacement(
    _ tensor: CheckpointTensor, _ name: String, _ adapter: Adapter
  ) throws(CheckpointError) -> String {
    guard adapter.configuration.replaces(name) else { throw Self.unknown(tensor) }
    guard let target = target(of: name) else {
      throw Self.fault(
        .unmatchedTarget, tensor,
        "replaces \(name), which the checkpoint does not have; the adapter belongs to another model"
      )
    }
    guard target.shape == tensor.shape else {
      throw Self.fault(
        .invalidShape, tensor,
        "has shape \(tensor.shape), the checkpoint's has \(target.shape); the adapter belongs to "
          + "another model")
    }
    guard updates[target.name] == nil else {
      throw Self.fault(
        .duplicateTensor, tensor,
        "replaces what another adapter changes; only one of them can be merged")
    }
    return target.name
  }

  private func checkSavedModules(of adapter: Adapter, found: [String]) throws(CheckpointError) {
    for module in adapter.configuration.modulesToSave {
      let isFound = found.contains { name in
        let parts = name.split(separator: ".")
        return parts.indices.contains { parts[..<$0].joined(separator: ".").hasSuffix(module) }
      }
      guard isFound else {
        throw CheckpointError(
          .missingTensor, path: adapter.shard.path,
          "lacks the tensors of \(module), which modules_to_save lists; the adapter is incomplete")
      }
    }
  }

  // MARK: - Names

  /// The base's tensor of that name.
  private func target(of name: String) -> CheckpointTensor? {
    base[name] ?? base[checkpointName(name)]
  }

  private static func unknown(_ tensor: CheckpointTensor) -> CheckpointError {
    let isDoRA = tensor.name.contains(".lora_magnitude_vector")
    return fault(
      .unsupportedAdapter, tensor,
      isDoRA
        ? "is a part of DoRA, which cannot be merged here; merge it with PEFT and save the model"
        : "is neither lora_A nor lora_B of a module, nor of a module that modules_to_save lists")
  }

  private static func fault(
    _ code: CheckpointError.Code, _ tensor: CheckpointTensor, _ detail: String
  ) -> CheckpointError {
    CheckpointError(code, path: tensor.path, tensor: tensor.name, detail)
  }
}
