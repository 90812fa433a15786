import VARCheckpoint

/// Names under which versions of transformers save the tensors of a checkpoint.
enum SourceNames {
  /// Prefixes that a version puts before parts of the model, and what the official checkpoint has there; the first one
  /// that fits counts.
  private static let prefixes = [
    ("model.language_model.lm_head.", "lm_head."), ("model.language_model.", "model."),
    ("language_model.lm_head.", "lm_head."), ("language_model.model.", "model."),
    ("language_model.", "model."), ("model.lm_head.", "lm_head."),
    ("model.visual.", "visual."), ("model.vargpt_gen.", "vargpt_gen."),
    ("model.vae_local.", "vae_local."), ("model.image_gen_projector.", "image_gen_projector."),
    ("model.image_gen_projector_out.", "image_gen_projector_out."),
    ("model.sos_embedding.", "sos_embedding."),
  ]

  /// What the names of a model's tensors begin with.
  private static let parts = [
    "model.", "lm_head.", "visual.", "vargpt_gen.", "vae_local.", "image_gen_projector.",
    "image_gen_projector_out.", "sos_embedding.",
  ]

  /// Whether an official name could be that of a tensor of the model.
  static func isOfModel(_ name: String) -> Bool { parts.contains { name.hasPrefix($0) } }

  /// The name that the official checkpoint has for a tensor.
  static func official(_ name: String) -> String {
    for (prefix, replacement) in prefixes where name.hasPrefix(prefix) {
      return replacement + name.dropFirst(prefix.count)
    }
    return name
  }
}

extension Checkpoint {
  /// The same tensors under the names of the official checkpoint.
  ///
  /// Throws `duplicateTensor` where two tensors stand for one.
  func withOfficialNames() throws(CheckpointError) -> Checkpoint {
    guard tensors.contains(where: { SourceNames.official($0.name) != $0.name }) else { return self }
    var originals: [String: String] = [:]
    for tensor in tensors {
      let name = SourceNames.official(tensor.name)
      if let other = originals.updateValue(tensor.name, forKey: name) {
        throw CheckpointError(
          .duplicateTensor, path: tensor.path, tensor: tensor.name,
          "is the same part of the model as \"\(other)\"; remove one of them")
      }
    }
    return try Checkpoint(
      directory: directory,
      shards: shards.map { shard in
        shard.selecting(as: shard.name) { SourceNames.official($0.name) }
      })
  }
}
