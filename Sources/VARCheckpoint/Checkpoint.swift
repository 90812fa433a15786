import VARJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A Hugging Face checkpoint: its tensors, and the small files beside them.
///
/// Immutable, so that threads may share it. The shards stay open; tensors are read when they are asked for.
public final class Checkpoint: Sendable {
  /// The directory that holds the checkpoint.
  public let directory: String
  /// Every tensor, sorted by name.
  public let tensors: [CheckpointTensor]
  /// Sorted by name.
  public let shards: [CheckpointShard]
  /// The shards' file names, sorted.
  public var shardNames: [String] { shards.map(\.name) }
  /// Bytes of all shards.
  public var byteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
  private let indexByName: [String: Int]

  /// Opens a directory with `model.safetensors.index.json` or `model.safetensors`, or one `.safetensors` file.
  ///
  /// Reads the headers only. Throws `CheckpointError` for every fault of the files.
  public init(path: String) throws(CheckpointError) {
    let names: [String]
    let files: [SafetensorsFile]
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw CheckpointError(
        .missingFile, path: path,
        "cannot be found; give a checkpoint's directory or .safetensors file")
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      directory = path
      (names, files) = try Self.openDirectory(path)
    } else {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      guard name.hasSuffix(".safetensors") else {
        throw CheckpointError(
          .unsupportedFormat, path: path,
          "is no .safetensors file; save the checkpoint as safetensors and try again")
      }
      let parent = path.dropLast(name.utf8.count)
      directory = parent.isEmpty ? "." : String(parent)
      names = [name]
      files = [try SafetensorsFile(path: path)]
    }
    shards = zip(names, files).map { name, file in
      CheckpointShard(
        name: name, tensors: file.tensors, headerByteCount: file.headerByteCount, file: file.file)
    }
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
  public subscript(name: String) -> CheckpointTensor? { indexByName[name].map { tensors[$0] } }

  private static func openDirectory(
    _ directory: String
  ) throws(CheckpointError) -> ([String], [SafetensorsFile]) {
    let indexPath = "\(directory)/model.safetensors.index.json"
    guard access(indexPath, F_OK) == 0 else {
      let name = "model.safetensors"
      guard access("\(directory)/\(name)", F_OK) == 0 else {
        throw CheckpointError(
          .missingFile, path: directory,
          "holds neither model.safetensors.index.json nor model.safetensors")
      }
      return ([name], [try SafetensorsFile(path: "\(directory)/\(name)")])
    }
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
    var shards: [SafetensorsFile] = []
    for name in names { shards.append(try SafetensorsFile(path: "\(directory)/\(name)")) }
    try check(shards: shards, names: names, against: shardOfTensor, indexPath: indexPath)
    return (names, shards)
  }

  private static func check(
    shards: [SafetensorsFile], names: [String], against shardOfTensor: [String: String],
    indexPath: String
  ) throws(CheckpointError) {
    var foundCount = 0
    for (name, shard) in zip(names, shards) {
      for tensor in shard.tensors {
        guard let listed = shardOfTensor[tensor.name] else {
          throw CheckpointError(
            .unlistedTensor, path: shard.path, tensor: tensor.name,
            "is not named in \(indexPath); shard and index do not belong together")
        }
        guard listed == name else {
          throw CheckpointError(
            .duplicateTensor, path: shard.path, tensor: tensor.name,
            "stands here, but \(indexPath) places it in \(listed)")
        }
        foundCount += 1
      }
    }
    guard foundCount < shardOfTensor.count else { return }
    for (name, shard) in zip(names, shards) {
      let present = Set(shard.tensors.map(\.name))
      let listed = shardOfTensor.filter { $0.value == name }.keys.sorted()
      if let missing = listed.first(where: { !present.contains($0) }) {
        throw CheckpointError(
          .missingTensor, path: shard.path, tensor: missing,
          "is named in \(indexPath) but absent; fetch the shard again")
      }
    }
  }
}
