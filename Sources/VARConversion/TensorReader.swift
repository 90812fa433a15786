import VARCheckpoint

/// Takes tensors from a checkpoint, checks their shapes, and keeps account of which were used.
struct TensorReader {
  let checkpoint: Checkpoint
  /// Names of the tensors that the model is made of.
  private(set) var used: Set<String> = []
  private(set) var folded: [SourceMapping.Omission] = []

  init(checkpoint: Checkpoint) { self.checkpoint = checkpoint }

  /// The tensor of that name and shape.
  mutating func tensor(_ name: String, shape: [Int]) throws(ConversionError) -> CheckpointTensor {
    guard let tensor = checkpoint[name] else {
      throw ConversionError(
        .missingTensor, name,
        "is absent from \(checkpoint.directory); the checkpoint is incomplete or its config.json "
          + "belongs to another")
    }
    guard tensor.elementType.isFloat else {
      throw ConversionError(
        .wrongType, name, "is of type \(tensor.typeName); weights are read from bf16, f16 and f32")
    }
    guard tensor.shape == shape else {
      throw ConversionError(
        .wrongShape, name,
        "has shape \(tensor.shape), config.json asks for \(shape); they do not belong together")
    }
    used.insert(name)
    return tensor
  }

  /// A tensor that goes into the constant `target`.
  mutating func folded(
    _ name: String, shape: [Int], into target: String
  ) throws(ConversionError) -> CheckpointTensor {
    let tensor = try tensor(name, shape: shape)
    folded.append(SourceMapping.Omission(name: name, reason: "folded into \(target)"))
    return tensor
  }

  /// The tensors that were not used: those of the model, each with the reason why it has no effect, and the names of
  /// those that no part of the model needs.
  ///
  /// Throws `extraTensor` where leaving one out could change what the others mean: a layer that the configuration does
  /// not count, or an addition to a tensor that is used.
  mutating func sortOutTheRest(
    isTied: Bool
  ) throws(ConversionError) -> (dropped: [SourceMapping.Omission], skipped: [String]) {
    try checkTies(isTied: isTied)
    var dropped: [SourceMapping.Omission] = []
    var skipped: [String] = []
    let factorTargets = checkpoint.factorTargets
    for tensor in checkpoint.tensors where !used.contains(tensor.name) {
      if let target = factorTargets[tensor.name] {
        folded.append(SourceMapping.Omission(name: tensor.name, reason: "merged into \(target)"))
      } else if let reason = Self.reasonToDrop(tensor.name, isTied: isTied) {
        dropped.append(SourceMapping.Omission(name: tensor.name, reason: reason))
      } else {
        skipped.append(tensor.name)
      }
    }
    let neighbours = ModelNames(used.union(dropped.map(\.name)))
    let extra = skipped.filter { neighbours.isChanged(by: $0) }
    if let first = extra.first {
      let others = extra.count > 1 ? " and \(extra.count - 1) more" : ""
      throw ConversionError(
        .extraTensor, first,
        "stands in the checkpoint\(others), but this model has no such tensor, and without it the "
          + "others may mean something else; its config.json belongs to another, or it is no "
          + "VARGPT-v1.1 checkpoint")
    }
    return (dropped, skipped)
  }

  /// An adapter that changes the head or the embedding of a model in which they are one tensor changed only one of them
  /// in training.
  private func checkTies(isTied: Bool) throws(ConversionError) {
    for name in ["lm_head.weight", "model.embed_tokens.weight"]
    where isTied && checkpoint.adaptedNames.contains(name) {
      throw ConversionError(
        .tiedTensor, name,
        "is changed by an adapter, but this model's head and embedding are one tensor; merge the "
          + "adapter with PEFT, untie them and save the model")
    }
  }

  private static func reasonToDrop(_ name: String, isTied: Bool) -> String? {
    if name.hasPrefix("image_gen_projector.ln_q.")
      || name.hasPrefix("image_gen_projector_out.ln_q.")
    {
      return "the projectors never apply it"
    }
    if name.hasPrefix("vargpt_gen.text_proj_for_ca.") { return "not used when drawing" }
    if name == "vargpt_gen.text_proj_for_sos.ca.mat_q"
      || name == "vargpt_gen.text_proj_for_sos.ca.zero_k_bias"
    {
      return "the pool has a single key, so that its query and key cancel"
    }
    if name == "vae_local.quantizer.lfq.mask" { return "powers of two" }
    if name == "lm_head.weight", isTied { return "tied to the embedding" }
    if name.hasSuffix(".inv_freq") { return "computed from the configuration" }
    return nil
  }
}

/// The names of a model's tensors, to tell what stands beside them from what has nothing to do with them.
private struct ModelNames {
  private let names: Set<String>
  private let patterns: Set<String>
  private let modules: Set<Substring>

  init(_ names: Set<String>) {
    self.names = names
    patterns = Set(names.map(Self.pattern))
    modules = Set(names.compactMap { name in name.lastIndex(of: ".").map { name[..<$0] } })
  }

  /// Whether a tensor of another name says that the model is not the one that the names belong to.
  func isChanged(by other: String) -> Bool {
    // The same tensor of another layer.
    if patterns.contains(Self.pattern(other)) { return true }
    // A scale or a mask of a weight: `head.weight.scale`, `head.weight_scale`.
    for index in other.indices where other[index] == "." || other[index] == "_" {
      if names.contains(String(other[..<index])) { return true }
    }
    // A bias, or a weight, that a module of the model does not have.
    guard let dot = other.lastIndex(of: "."),
      ["weight", "bias"].contains(other[dot...].dropFirst())
    else { return false }
    return modules.contains(other[..<dot])
  }

  /// A name with `*` for every number.
  private static func pattern(_ name: String) -> String {
    name.split(separator: ".", omittingEmptySubsequences: false).map {
      $0.allSatisfy(\.isNumber) ? "*" : $0
    }.joined(separator: ".")
  }
}
