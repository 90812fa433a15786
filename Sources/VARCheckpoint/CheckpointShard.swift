/// A file of a checkpoint that holds tensors.
public struct CheckpointShard: Sendable {
  /// The file's name, without its directory.
  public let name: String
  /// In the order of their bytes; together they are everything behind the header.
  public let tensors: [CheckpointTensor]
  /// Bytes before the first tensor.
  public let headerByteCount: Int
  let file: InputFile

  public var path: String { file.path }
  /// Bytes of the file.
  public var byteCount: Int { file.byteCount }
  /// When the content last changed: nanoseconds since 1970.
  public var modificationTimeNs: Int {
    file.modificationTime.seconds * 1_000_000_000 + file.modificationTime.nanoseconds
  }

  /// The bytes before the first tensor; at most 100 MB.
  public func header() throws(CheckpointError) -> [UInt8] {
    try file.readBytes(count: headerByteCount)
  }

  /// Throws `changed` where the file is not what it was when it was opened, as its size and time tell.
  public func checkUnchanged() throws(CheckpointError) { try file.checkUnchanged() }
}
