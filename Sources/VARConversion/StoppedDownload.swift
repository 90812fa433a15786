import VARCheckpoint

/// Finds the zeros that a download leaves which took its room on the disk and then stopped.
///
/// Such a file has its full size and a whole header. No weights are one value throughout, and none end in zeros up to
/// the end of their file. Few bytes are read of a whole checkpoint: the last ones of each file, the first ones of each
/// tensor.
struct StoppedDownload {
  let checkpoint: Checkpoint
  /// Tensors that the model is made of.
  let usedNames: Set<String>
  /// Tensors of adapters that are added to those.
  let factorNames: Set<String>
  /// The first row of a vocabulary's table that no token has; asked for only where such a table ends in zeros.
  let vocabularySize: () throws -> Int

  /// Less may end a tensor by chance.
  private static let minimumByteCount = 64
  private static let tableNames: Set = ["model.embed_tokens.weight", "lm_head.weight"]

  /// Throws `zeroWeights` for the first tensor that a stopped download would leave so.
  func check() throws {
    for shard in checkpoint.shards { try checkEnd(of: shard) }
    // What has no effect on the model may hold anything, and so may a half of an adapter that had nothing to learn.
    for tensor in checkpoint.tensors where Self.isMatrix(tensor) && usedNames.contains(tensor.name)
    {
      guard try tensor.isOneValue() else { continue }
      throw ConversionError(
        .zeroWeights, tensor.name,
        "all its \(tensor.elementCount) elements are the same in \(tensor.path); a download that "
          + "stopped leaves such a tensor: fetch the file again", remedy: .allowZeroWeights)
    }
  }

  /// Whether two axes are longer than 1; biases and norms may well be one value.
  private static func isMatrix(_ tensor: CheckpointTensor) -> Bool {
    tensor.shape.count { $0 > 1 } >= 2
  }

  private func checkEnd(of shard: CheckpointShard) throws {
    let start = try shard.trailingZeroStart()
    guard start < shard.byteCount,
      let tensor = shard.tensors.first(where: { $0.fileRange.contains(start) }),
      Self.isMatrix(tensor), start > tensor.fileRange.lowerBound, reachesModel(shard, from: tensor)
    else { return }
    guard try liveEnd(of: tensor) - start >= Self.minimumByteCount else { return }
    throw ConversionError(
      .zeroWeights, tensor.name,
      "from byte \(start) on, in this tensor, \(shard.path) is zeros up to its end (byte "
        + "\(shard.byteCount)); the download stopped there: fetch the file again",
      remedy: .allowZeroWeights)
  }

  /// Whether a tensor of the file, this one or one behind it, has an effect on the model.
  private func reachesModel(_ shard: CheckpointShard, from first: CheckpointTensor) -> Bool {
    shard.tensors.contains { tensor in
      tensor.fileRange.lowerBound >= first.fileRange.lowerBound
        && (usedNames.contains(tensor.name) || factorNames.contains(tensor.name))
    }
  }

  /// Where the rows of a vocabulary's table end that tokens have; the end of any other tensor.
  private func liveEnd(of tensor: CheckpointTensor) throws -> Int {
    guard Self.tableNames.contains(tensor.name), let rows = tensor.shape.first, rows > 0 else {
      return tensor.fileRange.upperBound
    }
    let live = min(rows, try vocabularySize())
    return tensor.fileRange.lowerBound + tensor.byteCount / rows * live
  }
}
