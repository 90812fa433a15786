/// Modules that distributed and compiled training puts around others, and that leave their names in a state dict.
enum WrapperNames {
  /// Parts of a name that no model has: fully sharded data parallelism, recomputed activations, `torch.compile`,
  /// Lightning's strategies.
  private static let parts: Set<Substring> = [
    "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod", "_forward_module",
  ]
  /// Data parallelism and DeepSpeed write this part first. Elsewhere it is a name of the model:
  /// `block_chunks.0.module.0`.
  private static let firstPart: Substring = "module"

  /// The name that the tensor has without wrappers.
  static func removed(from name: String) -> String {
    let all = name.split(separator: ".", omittingEmptySubsequences: false)
    let kept = all.filter { !parts.contains($0) }.drop { $0 == firstPart }
    return kept.isEmpty || kept.count == all.count ? name : kept.joined(separator: ".")
  }
}

extension CheckpointShard {
  /// The same file, its tensors under the names that they have without wrappers.
  func withoutWrappers() -> CheckpointShard {
    selecting(as: name) { WrapperNames.removed(from: $0.name) }
  }
}
