import VARJSON

/// A Hugging Face checkpoint: its tensors, and the small files beside them.
///
/// Immutable, so that threads may share it. The shards stay open; tensors are read when they are asked for.
package final class Checkpoint: Sendable {
  /// The directory that holds the checkpoint.
  package let directory: String
  /// Every tensor, sorted by name.
  package let tensors: [CheckpointTensor]
  /// Sorted by name.
  package let shards: [CheckpointShard]
  /// The shards' file names, sorted.
  package var shardNames: [String] { shards.map(\.name) }
  /// The adapters that are merged into the tensors, in their order.
  package let adapters: [MergedAdapter]
  /// Tensors that an adapter changes or replaces.
  package let adaptedNames: Set<String>
  /// Bytes of all shards.
  package var byteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
  private let indexByName: [String: Int]

  /// Opens a directory with `model.safetensors.index.json`, `model.safetensors`, `pytorch_model.bin.index.json` or
  /// `pytorch_model.bin`, or one `.safetensors` file or PyTorch file.
  ///
  /// A cache folder of the Hugging Face hub (`models--...`) stands for the snapshot that its `refs/main` names; an
  /// index, `config.json` and one of several shards stand for their directory. Reads the headers only. Throws
  /// `CheckpointError` for every fault of the files.
  /// - Parameter groups: names of the wanted state dict in a PyTorch file of several, the preferred one first.
  package convenience init(path: String, groups: [String] = []) throws(CheckpointError) {
    switch try CheckpointLocation(path) {
    case .index(let index, let folder):
      try self.init(
        directory: folder, shards: try Self.openShards(folder, indexPath: index, groups))
    case .file(let path, let folder):
      let name = path.split(separator: "/").last.map(String.init) ?? path
      guard name.hasSuffix(".safetensors") || Self.hasTorchSuffix(name) else {
        throw CheckpointError(
          .unsupportedFormat, path: path,
          "is no .safetensors, .pth, .pt, .bin or .ckpt file; save the checkpoint as safetensors "
            + "and try again")
      }
      try self.init(directory: folder, shards: [try Self.openShard(path, name, groups)])
    }
  }

  /// A checkpoint of the tensors of `shards`, with the small files of `directory`.
  ///
  /// What training wrapped around the modules goes from the tensors' names. Throws `duplicateTensor`.
  package convenience init(directory: String, shards: [CheckpointShard]) throws(CheckpointError) {
    try self.init(directory: directory, shards: shards, adapters: [], adaptedNames: [])
  }

  init(
    directory: String, shards: [CheckpointShard], adapters: [MergedAdapter],
    adaptedNames: Set<String>
  ) throws(CheckpointError) {
    let shards = shards.map { $0.withoutWrappers() }
    self.directory = directory
    self.shards = shards
    self.adapters = adapters
    self.adaptedNames = adaptedNames
    let sorted = shards.flatMap(\.tensors).sorted { $0.name < $1.name }
    var indexByName: [String: Int] = [:]
    for (index, tensor) in sorted.enumerated() {
      if let other = indexByName.updateValue(index, forKey: tensor.name) {
        throw CheckpointError(
          .duplicateTensor, path: tensor.path, tensor: tensor.name,
          "stands in \(sorted[other].path) too")
      }
    }
    tensors = sorted
    self.indexByName = indexByName
  }

  /// The tensor of that name, or nil.
  package subscript(name: String) -> CheckpointTensor? { indexByName[name].map { tensors[$0] } }

  private static func hasTorchSuffix(_ name: String) -> Bool {
    [".pth", ".pt", ".bin", ".ckpt"].contains { name.hasSuffix($0) }
  }

  private static func openShard(
    _ path: String, _ name: String, _ groups: [String]
  ) throws(CheckpointError) -> CheckpointShard {
    if hasTorchSuffix(name) {
      let file = try TorchFile(path: path, groups: groups)
      return CheckpointShard(
        name: name, tensors: file.tensors, headerRange: file.headerRange, file: file.file)
    }
    let file = try SafetensorsFile(path: path)
    return CheckpointShard(
      name: name, tensors: file.tensors, headerRange: 0..<file.headerByteCount, file: file.file)
  }

  /// The shards that an index names.
  private static func openShards(
    _ directory: String, indexPath: String, _ groups: [String]
  ) throws(CheckpointError) -> [CheckpointShard] {
    let index = try readJSON(path: indexPath)
    guard let map = index["weight_map"]?.objectValue else {
      throw CheckpointError(.malformedJSON, path: indexPath, "lacks the object weight_map")
    }
    var shardOfTensor: [String: String] = [:]
    for (tensor, value) in map.members {
      guard let shard = value.stringValue else {
        throw CheckpointError(
          .malformedJSON, path: indexPath, tensor: tensor, "its shard is no text")
      }
      guard !shard.isEmpty, shard != ".", shard != "..",
        !shard.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
      else {
        throw CheckpointError(
          .unsafeShardName, path: indexPath, tensor: tensor,
          "shard \"\(shard)\" is no plain file name; only files beside the index are read")
      }
      shardOfTensor[tensor] = shard
    }
    let names = Set(shardOfTensor.values).sorted()
    var shards: [CheckpointShard] = []
    for name in names { shards.append(try openShard("\(directory)/\(name)", name, groups)) }
    try check(shards: shards, against: shardOfTensor, indexPath: indexPath)
    return shards
  }

  private static func check(
    shards: [CheckpointShard], against shardOfTensor: [String: String], indexPath: String
  ) throws(CheckpointError) {
    var foundCount = 0
    for shard in shards {
      for tensor in shard.tensors {
        // A shard may hold more than its index names; what of it is needed is decided elsewhere.
        guard let listed = shardOfTensor[tensor.name] else { continue }
        guard listed == shard.name else {
          throw CheckpointError(
            .duplicateTensor, path: shard.path, tensor: tensor.name,
            "stands here, but \(indexPath) places it in \(listed)")
        }
        foundCount += 1
      }
    }
    guard foundCount < shardOfTensor.count else { return }
    for shard in shards {
      let present = Set(shard.tensors.map(\.name))
      let listed = shardOfTensor.filter { $0.value == shard.name }.keys.sorted()
      if let missing = listed.first(where: { !present.contains($0) }) {
        throw CheckpointError(
          .missingTensor, path: shard.path, tensor: missing,
          "is named in \(indexPath) but absent; fetch the shard again")
      }
    }
  }
}
