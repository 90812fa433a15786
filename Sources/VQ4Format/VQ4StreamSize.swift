extension VQ4ChunkEncoder {
  /// Bytes that a stream would take in a file, compressed where its writer would compress it.
  ///
  /// - Parameter bytes: all of the stream, or a part of it that tells how the whole one compresses.
  package func storedByteCount(
    of bytes: UnsafeRawBufferPointer, _ role: VQ4StreamRole, _ description: VQ4TensorDescription,
    _ layout: VQ4StorageLayout
  ) throws(VQ4Error) -> Int {
    guard let leastGainPercent = layout.leastGainPercent, !bytes.isEmpty else { return bytes.count }
    let chunkByteCount = description.chunkByteCount(of: role)
    let codec = description.compressedCodec(of: role)
    let compressor = ChunkCompressor()
    let room = try AlignedBuffer(count: ZstdEncoder.bound(min(chunkByteCount, bytes.count)))
    var (storedByteCount, chunkCount) = (0, 0)
    for first in stride(from: 0, to: bytes.count, by: chunkByteCount) {
      let chunk = bytes.part(first, min(chunkByteCount, bytes.count - first))
      storedByteCount += try compressor.encode(chunk, codec, into: room.bytes) ?? chunk.count
      chunkCount += 1
      // As the writer decides: by the first chunks for the whole stream.
      guard chunkCount == StreamWriter.decidingChunkCount || first + chunk.count == bytes.count
      else { continue }
      let rawByteCount = first + chunk.count
      if chunkCount <= StreamWriter.decidingChunkCount,
        storedByteCount * 100 > rawByteCount * (100 - leastGainPercent)
      {
        return bytes.count
      }
    }
    return storedByteCount
  }
}
