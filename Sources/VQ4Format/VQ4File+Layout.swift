extension VQ4File {
  /// Whether every stream is stored as the writer stores it in a layout, raw or compressed (VQ4-22).
  ///
  /// A file does not name its layout. What the first chunks of a stream gain decides about it, so they are compressed
  /// once more where they are raw. False, too, where a chunk cannot be read.
  package func isStored(as layout: VQ4StorageLayout) -> Bool {
    let trial = CompressionTrial(self)
    return tensors.indices.allSatisfy { tensor in
      VQ4StreamRole.allCases.allSatisfy { role in
        let stream = chunks[tensors[tensor].streams[Int(role.rawValue)].chunks]
        let codec = tensors[tensor].description.compressedCodec(of: role)
        let isCompressed = stream.contains { $0.codec != .raw }
        guard !stream.isEmpty, let gain = layout.leastGainPercent else { return !isCompressed }
        let deciding = stream.prefix(StreamWriter.decidingChunkCount)
        var storedBytes = 0
        for chunk in deciding {
          guard let count = isCompressed ? chunk.storedBytes : trial.byteCount(of: chunk, codec)
          else { return false }
          storedBytes += count
        }
        let rawBytes = deciding.reduce(0) { $0 + $1.rawBytes }
        return isCompressed == (storedBytes * 100 <= rawBytes * (100 - gain))
      }
    }
  }
}

/// Compresses raw chunks of a file to see what they gain.
private final class CompressionTrial {
  private let file: VQ4File
  private let compressor = ChunkCompressor()
  private var raw = AlignedBuffer()
  private var compressed = AlignedBuffer()

  init(_ file: VQ4File) { self.file = file }

  /// Bytes of the chunk where it does not become larger; nil where it cannot be read.
  func byteCount(of chunk: VQ4Chunk, _ codec: VQ4Codec) -> Int? {
    if raw.bytes.count < chunk.rawBytes {
      let bound = ZstdEncoder.bound(chunk.rawBytes)
      guard let larger = try? AlignedBuffer(count: chunk.rawBytes),
        let room = try? AlignedBuffer(count: bound)
      else { return nil }
      (raw, compressed) = (larger, room)
    }
    let part = raw.prefix(chunk.rawBytes)
    // Pages of the mapping would count as memory of the process.
    guard (try? file.bytes.read(into: part, at: chunk.offset)) != nil else { return nil }
    do throws(VQ4Error) {
      return try compressor.encode(UnsafeRawBufferPointer(part), codec, into: compressed.bytes)
        ?? chunk.rawBytes
    } catch {
      return nil
    }
  }
}
