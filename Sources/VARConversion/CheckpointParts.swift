import VARCheckpoint
import VARJSON

/// Files that stand in for parts of a checkpoint, as training leaves them (MODEL 2.5).
package struct CheckpointParts: Sendable, Equatable {
  /// A state dict of the generator (`infinity_*.pth`), a file of Infinity's trainer, or a VARGPT checkpoint.
  package var generator: String?
  /// A state dict of the VAE, alone or under `vae`, a file of Infinity's trainer, or a VARGPT checkpoint.
  package var vae: String?
  /// A state dict with `image_gen_projector.*`, `image_gen_projector_out.*` and `sos_embedding.weight`, or a VARGPT
  /// checkpoint.
  package var projector: String?

  /// Adapters that are merged into what the others give, in their order.
  package var adapters: [AdapterSource]

  /// A directory of a LoRA adapter, and what its updates are multiplied by; any finite number.
  package struct AdapterSource: Sendable, Equatable {
    package var path: String
    package var scale: Double

    package init(path: String, scale: Double = 1) {
      self.path = path
      self.scale = scale
    }
  }

  package init(
    generator: String? = nil, vae: String? = nil, projector: String? = nil,
    adapters: [AdapterSource] = []
  ) {
    self.generator = generator
    self.vae = vae
    self.projector = projector
    self.adapters = adapters
  }

  /// A part that may have a source of its own.
  package enum Part: Sendable {
    case generator, vae, projector
  }

  /// Opens the checkpoint at `path`, a VARGPT or a Qwen2-VL one, puts the parts in the place of its own, and merges the
  /// adapters.
  ///
  /// Configuration, tokenizer and the other small files come from `path`. Tensors get the names of a VARGPT checkpoint.
  /// - Throws: `CheckpointError`, and `ConversionError` where a part or a projector is missing.
  package func checkpoint(at path: String) throws -> Checkpoint {
    let checkpoint = try checkpointOfParts(at: path)
    var opened: [Adapter] = []
    for adapter in adapters {
      opened.append(try Adapter(path: adapter.path, scale: adapter.scale))
    }
    return try checkpoint.merging(opened, checkpointName: SourceNames.official)
  }

  private func checkpointOfParts(at path: String) throws -> Checkpoint {
    let base = try Checkpoint(path: path).withOfficialNames()
    guard generator != nil || vae != nil || projector != nil else {
      if Self.isQwen2VL(base) {
        throw ConversionError(
          .missingTensor, path,
          "is a Qwen2-VL checkpoint without generator and VAE",
          remedy: .name([.generator, .vae, .projector]))
      }
      return base
    }
    var replaced: Set<ModelPart> = []
    var shards: [CheckpointShard] = []
    for (part, file) in [
      (ModelPart.generator, generator), (.vae, vae), (.projector, projector),
    ] {
      guard let file else { continue }
      let takesProjector = part == .projector || projector == nil
      let found = try Self.shards(of: part, in: file, takesProjector: takesProjector)
      for tensor in found.flatMap(\.tensors) { replaced.insert(ModelPart(of: tensor.name)) }
      shards += found
    }
    let kept = base.shards.map { shard in
      shard.selecting(as: shard.name) { replaced.contains(ModelPart(of: $0.name)) ? nil : $0.name }
    }
    let checkpoint = try Checkpoint(directory: base.directory, shards: kept + shards)
    try Self.checkCompleteness(checkpoint)
    return checkpoint
  }

  /// Whether the configuration says so and no part of VARGPT is there.
  ///
  /// Some programs save a VARGPT checkpoint under the type of the model that it extends.
  private static func isQwen2VL(_ checkpoint: Checkpoint) -> Bool {
    (try? checkpoint.configuration())?["model_type"]?.stringValue == "qwen2_vl"
      && checkpoint.tensors.allSatisfy { ModelPart(of: $0.name) == .languageModel }
  }

  /// The shards of one part's file or directory, with the names of a VARGPT checkpoint.
  private static func shards(
    of part: ModelPart, in path: String, takesProjector: Bool
  ) throws -> [CheckpointShard] {
    let source = try Checkpoint(path: path, groups: part.groups).withOfficialNames()
    let isWhole = source.tensors.contains {
      $0.name.hasPrefix(ModelPart.generator.prefix) || $0.name.hasPrefix(ModelPart.vae.prefix)
    }
    let shards = source.shards.map { shard in
      shard.selecting(as: "\(part.rawValue)/\(shard.name)") { tensor in
        if !takesProjector, ModelPart(of: tensor.name) == .projector { return nil }
        return part.name(of: tensor.name, isWhole: isWhole)
      }
    }
    guard shards.contains(where: { !$0.tensors.isEmpty }) else {
      throw ConversionError(
        .missingTensor, path, "holds no tensor of the \(part.rawValue); give its state dict")
    }
    return shards.filter { !$0.tensors.isEmpty }
  }

  /// Says what is missing by its part, where the tensor's name alone would not tell where to look.
  private static func checkCompleteness(_ checkpoint: Checkpoint) throws(ConversionError) {
    for (part, remedy) in [(ModelPart.generator, Part.generator), (.vae, .vae)] {
      guard checkpoint.tensors.contains(where: { ModelPart(of: $0.name) == part }) else {
        throw ConversionError(
          .missingTensor, "\(part.prefix)*", "is in none of the sources", remedy: .name([remedy]))
      }
    }
    let missing = ModelPart.projectorNames.filter { checkpoint[$0] == nil }
    guard missing.isEmpty else {
      throw ConversionError(
        .missingTensor, missing.joined(separator: ", "),
        "in none of the sources; they are learned with VARGPT and cannot be made up",
        remedy: .name([.projector]))
    }
  }
}

/// A part of a VARGPT checkpoint that may come from a file of its own.
private enum ModelPart: String {
  case generator, vae, projector, languageModel

  /// Of a tensor with its name in a VARGPT checkpoint.
  init(of name: String) {
    if name.hasPrefix(ModelPart.generator.prefix) {
      self = .generator
    } else if name.hasPrefix(ModelPart.vae.prefix) {
      self = .vae
    } else if ModelPart.projectorPrefixes.contains(where: { name.hasPrefix($0) }) {
      self = .projector
    } else {
      self = .languageModel
    }
  }

  var prefix: String {
    switch self {
    case .generator: "vargpt_gen."
    case .vae: "vae_local."
    case .projector, .languageModel: ""
    }
  }

  /// Where a file of several state dicts has the part; a trainer of Infinity writes `gpt_fsdp`, or `gpt_wo_ddp` where
  /// the model is not sharded, and `vae_local`.
  var groups: [String] {
    switch self {
    case .generator: ["generator", "gpt", "gpt_fsdp", "gpt_wo_ddp"]
    case .vae: ["vae", "vae_local"]
    case .projector: ["projector"]
    case .languageModel: []
    }
  }

  private static let projectorPrefixes = [
    "image_gen_projector.", "image_gen_projector_out.", "sos_embedding.",
  ]

  static let projectorNames =
    ["image_gen_projector.mlp.", "image_gen_projector_out.mlp."].flatMap { mlp in
      ["0.weight", "0.bias", "2.weight", "2.bias"].map { mlp + $0 }
    } + ["sos_embedding.weight"]

  /// The name in a VARGPT checkpoint of a tensor in this part's file, or nil for one of another part.
  ///
  /// - Parameter isWhole: the file has the names of a VARGPT checkpoint, not those of a single part.
  func name(of name: String, isWhole: Bool) -> String? {
    let isProjector = ModelPart(of: name) == .projector
    // The generator's file may bring what connects it.
    if isProjector { return self == .vae ? nil : name }
    if isWhole { return ModelPart(of: name) == self ? name : nil }
    switch self {
    case .generator: return prefix + name
    case .vae: return prefix + Self.wrapped(name)
    case .projector, .languageModel: return nil
    }
  }

  /// Convolutions and norms of a plain VQGAN are wrapped: `conv1.weight` is `conv1.conv.weight`, `norm1.weight` is
  /// `norm1.norm.weight`, and `downsample.conv.weight` is `downsample.conv.conv.weight`. Wrapped names stay.
  private static func wrapped(_ name: String) -> String {
    let parts = name.split(separator: ".").map(String.init)
    guard parts.count >= 2, let leaf = parts.last, leaf == "weight" || leaf == "bias" else {
      return name
    }
    let module = parts[parts.count - 2]
    let parent = parts.count > 2 ? parts[parts.count - 3] : ""
    let wrapper: String? =
      if module == "conv" {
        parent == "downsample" || parent == "upsample" ? "conv" : nil
      } else if module.hasPrefix("conv") || plainConvolutions.contains(module) {
        "conv"
      } else if module.hasPrefix("norm"), module != "norm" {
        "norm"
      } else {
        nil
      }
    guard let wrapper else { return name }
    return (parts.dropLast() + [wrapper, leaf]).joined(separator: ".")
  }

  private static let plainConvolutions: Set = ["nin_shortcut", "q", "k", "v", "proj_out"]
}
