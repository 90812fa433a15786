import VARCheckpoint

/// Takes tensors from a checkpoint, checks their shapes, and keeps account of which were used.
struct TensorReader {
  let checkpoint: Checkpoint
  private var used: Set<String> = []
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
    guard tensor.shape == shape else {
      throw ConversionError(
        .wrongShape, name,
        "has shape \(tensor.shape), config.json asks for \(shape); they do not belong together")
    }
    guard tensor.elementType != .i64 else {
      throw ConversionError(.wrongType, name, "holds integers, weights are expected")
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

  /// The tensors that were not used, each with the reason why it has no effect; throws for one without a reason.
  func sortOutTheRest(isTied: Bool) throws(ConversionError) -> [SourceMapping.Omission] {
    var dropped: [SourceMapping.Omission] = []
    var extra: [String] = []
    for tensor in checkpoint.tensors where !used.contains(tensor.name) {
      if let reason = Self.reasonToDrop(tensor.name, isTied: isTied) {
        dropped.append(SourceMapping.Omission(name: tensor.name, reason: reason))
      } else {
        extra.append(tensor.name)
      }
    }
    if let first = extra.first {
      let others = extra.count > 1 ? " and \(extra.count - 1) more" : ""
      throw ConversionError(
        .extraTensor, first,
        "stands in the checkpoint\(others), but this model has no such tensor; its config.json "
          + "belongs to another, or it is no VARGPT-v1.1 checkpoint")
    }
    return dropped
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
