import VARSystem

/// The files of tensors, open for reads that leave the page cache as it is. Threads may share it.
///
/// The system reads nothing ahead in them any more, whoever reads.
package final class DirectShards: Sendable {
  private let files: [ObjectIdentifier: DirectFile]

  package init(of tensors: [CheckpointTensor]) {
    var files: [ObjectIdentifier: DirectFile] = [:]
    for tensor in tensors where files[ObjectIdentifier(tensor.file)] == nil {
      files[ObjectIdentifier(tensor.file)] = DirectFile(tensor.file.region).leavingCacheAlone()
    }
    self.files = files
  }

  fileprivate func file(of tensor: CheckpointTensor) -> DirectFile {
    files[ObjectIdentifier(tensor.file)] ?? DirectFile(tensor.file.region)
  }
}

/// Reads parts of a tensor so that the page cache holds afterwards what it held before. For one thread.
package final class DirectTensorReader {
  private let tensor: CheckpointTensor
  private let reader: DirectReader
  private let staging: AnonymousMemory
  private let largestByteCount: Int

  /// - Parameter byteCount: the largest part.
  /// - Throws: `notEnoughMemory`.
  package init(
    _ tensor: CheckpointTensor, in shards: DirectShards, byteCount: Int
  ) throws(CheckpointError) {
    let stagingByteCount = DirectReader.stagingBytes(byteCount)
    guard let staging = AnonymousMemory(byteCount: stagingByteCount) else {
      throw tensor.file.noMemory(stagingByteCount)
    }
    self.tensor = tensor
    self.staging = staging
    largestByteCount = byteCount
    reader = DirectReader(
      shards.file(of: tensor),
      staging: UnsafeMutableRawBufferPointer(start: staging.base, count: stagingByteCount))
  }

  /// Bytes of the tensor as they stand in the shard, valid until the next call.
  ///
  /// The range must lie inside the tensor. Throws as `CheckpointTensor.readBytes`.
  package func bytes(_ part: Range<Int>) throws(CheckpointError) -> UnsafeRawBufferPointer {
    precondition(
      part.lowerBound >= 0 && part.upperBound <= tensor.byteCount, "range outside the tensor")
    precondition(part.count <= largestByteCount, "more than there is room for")
    let start = tensor.offsetBytes
    do throws(SystemError) {
      return try reader.read(part.lowerBound + start..<part.upperBound + start)
    } catch {
      let failure = tensor.file.failure(error)
      throw CheckpointError(
        failure.code, path: failure.path, tensor: tensor.name, failure.detail)
    }
  }
}
