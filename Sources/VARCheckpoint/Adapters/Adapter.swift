import VARJSON
import VARSystem

/// A LoRA adapter as PEFT saves it: `adapter_config.json` and `adapter_model.safetensors` or `adapter_model.bin`.
package struct Adapter: Sendable {
  /// The directory that holds the adapter.
  package let path: String
  /// What its updates are multiplied by, besides what its configuration says; whole tensors that it brings are not.
  package let scale: Double
  /// The bytes of `adapter_config.json`.
  package let configurationBytes: [UInt8]
  let configuration: AdapterConfiguration
  let shard: CheckpointShard

  private static let configurationName = "adapter_config.json"
  private static let weightNames = ["adapter_model.safetensors", "adapter_model.bin"]

  /// Reads the configuration and the header of the weights.
  ///
  /// Throws `CheckpointError`: `unsupportedAdapter` for what cannot be merged, and the faults of the files.
  /// - Parameter scale: any finite number.
  package init(path: String, scale: Double = 1) throws(CheckpointError) {
    precondition(scale.isFinite, "a scale is a number")
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let configurationPath = "\(path)/\(Self.configurationName)"
    guard FileTree.exists(configurationPath) else {
      throw CheckpointError(
        .missingFile, path: path,
        "holds no \(Self.configurationName); give the directory of an adapter that PEFT saved")
    }
    configurationBytes = try Checkpoint.readBytes(path: configurationPath)
    configuration = try AdapterConfiguration(
      try Checkpoint.readJSON(path: configurationPath), path: configurationPath)
    guard let name = Self.weightNames.first(where: { FileTree.exists("\(path)/\($0)") }) else {
      throw CheckpointError(
        .missingFile, path: path, "holds no \(Self.weightNames.joined(separator: " or "))")
    }
    shard = try Checkpoint(path: "\(path)/\(name)").shards[0]
    self.path = path
    self.scale = scale
  }
}

/// What a tensor of an adapter is.
enum AdapterTensor: Equatable {
  /// `lora_A` or `lora_B` of a module, or `lora_embedding_A` or `lora_embedding_B`.
  case factor(module: String, isUpward: Bool, isEmbedding: Bool)
  /// A tensor that takes the place of the base's.
  case whole(String)
  /// A part of another kind of adapter.
  case unknown

  /// - Parameter name: as it stands in the file: `base_model.model.MODULE.lora_A[.ADAPTER].weight`, or the name of a
  ///   whole tensor, in which wrappers may stand.
  init(_ name: String) {
    let prefix = "base_model.model."
    let parts = (name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name)
      .split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let index = parts.firstIndex(where: { $0.hasPrefix("lora_") }) else {
      self = .whole(Self.unwrapped(parts).joined(separator: "."))
      return
    }
    let isEmbedding = parts[index].hasPrefix("lora_embedding_")
    let rest = parts[(index + 1)...]
    // The name of the adapter stands behind, where the file was not saved by PEFT itself.
    let isComplete = isEmbedding ? rest.count <= 1 : rest.last == "weight" && rest.count <= 2
    guard isComplete, index > 0,
      ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B"].contains(parts[index])
    else {
      self = .unknown
      return
    }
    self = .factor(
      module: parts[..<index].joined(separator: "."), isUpward: parts[index].hasSuffix("_B"),
      isEmbedding: isEmbedding)
  }

  /// Without what PEFT's wrappers add: `modules_to_save.default`, `modules_to_save`, `base_layer`.
  private static func unwrapped(_ parts: [String]) -> [String] {
    var parts = parts
    if let index = parts.firstIndex(of: "modules_to_save") {
      parts.remove(at: index)
      if index < parts.count, parts[index] == "default" { parts.remove(at: index) }
    }
    return parts.filter { $0 != "base_layer" }
  }
}
