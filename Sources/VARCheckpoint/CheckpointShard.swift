/// A file of a checkpoint that holds tensors.
package struct CheckpointShard: Sendable {
  /// The file's name, without its directory.
  package let name: String
  /// The tensors that are read, in the order of their bytes.
  package let tensors: [CheckpointTensor]
  /// The bytes that describe the tensors: all before the first one, or the pickle of a PyTorch file.
  let headerRange: Range<Int>
  let file: InputFile

  package var path: String { file.path }
  /// Bytes of the file.
  package var byteCount: Int { file.byteCount }
  /// When the content last changed: nanoseconds since 1970.
  package var modificationTimeNs: Int {
    file.modificationTime.seconds * 1_000_000_000 + file.modificationTime.nanoseconds
  }

  /// Bytes that describe the tensors.
  package var headerByteCount: Int { headerRange.count }

  /// The bytes that describe the tensors; at most 16 MiB.
  package func header() throws(CheckpointError) -> [UInt8] {
    try file.readBytes(from: headerRange.lowerBound, count: headerRange.count)
  }

  /// Throws `changed` where the file is not what it was when it was opened, as its size and time tell.
  package func checkUnchanged() throws(CheckpointError) { try file.checkUnchanged() }

  /// The same file under another name, and of its tensors those that `name` gives a name, under it.
  package func selecting(
    as shardName: String, _ name: (CheckpointTensor) -> String?
  ) -> CheckpointShard {
    replacing(
      as: shardName, tensors.compactMap { tensor in name(tensor).map { tensor.renamed($0) } })
  }

  /// The same file under another name, with these of its tensors, in their order.
  func replacing(as shardName: String, _ tensors: [CheckpointTensor]) -> CheckpointShard {
    CheckpointShard(name: shardName, tensors: tensors, headerRange: headerRange, file: file)
  }
}
