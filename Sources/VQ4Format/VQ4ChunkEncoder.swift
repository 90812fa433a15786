/// A chunk of a stream that is ready to be written.
package struct VQ4EncodedChunk {
  /// The decoded bytes.
  let raw: UnsafeRawBufferPointer
  /// The same in the codec that its stream is compressed by, where that is smaller.
  let frame: UnsafeRawBufferPointer?
}

/// Checks and compresses chunks of streams away from the writer; one per thread.
package final class VQ4ChunkEncoder {
  private let compressor = ChunkCompressor()

  package init() {}

  /// Bytes of room that a chunk needs to be compressed.
  package static func frameByteCount(ofChunk byteCount: Int) -> Int { ZstdEncoder.bound(byteCount) }

  /// Checks the values of a chunk of codes and compresses it.
  ///
  /// - Parameters:
  ///   - offset: where the chunk stands in the decoded stream.
  ///   - room: at least `frameByteCount` bytes for the frame; nil keeps the chunk raw.
  package func encode(
    codes raw: UnsafeRawBufferPointer, of description: VQ4TensorDescription, at offset: Int,
    into room: UnsafeMutableRawBufferPointer?
  ) throws(VQ4Error) -> VQ4EncodedChunk {
    do {
      try ElementCheck(description, .codes).check(raw, at: offset)
    } catch {
      throw error.at("tensor \"\(description.name)\", \(VQ4StreamRole.codes)")
    }
    guard let room,
      let count = try compressor.encode(raw, description.compressedCodec(of: .codes), into: room)
    else {
      return VQ4EncodedChunk(raw: raw, frame: nil)
    }
    return VQ4EncodedChunk(
      raw: raw,
      frame: UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: room[..<count])))
  }
}
