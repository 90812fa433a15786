/// Writes one stream of a tensor at a fixed place, chunk by chunk.
///
/// Whether a stream is compressed depends on its gain, which is known only at its end. So a stream
/// that may be compressed is written compressed, and expanded in place where the gain was too
/// small: no stream is ever held.
final class StreamWriter {
  private let output: OutputFile
  private let description: VQ4TensorDescription
  private let role: VQ4StreamRole
  private let leastGainPercent: Int?
  private let start: Int
  private let chunkBytes: Int
  private let buffer: AlignedBuffer
  private let compressed: AlignedBuffer?
  private let encoder: ZstdEncoder?
  private let hasher = StreamHasher()
  private var bufferedBytes = 0
  private var receivedBytes = 0
  private var end: Int
  private(set) var chunks: [ChunkRecord] = []

  /// - Parameter leastGainPercent: nil keeps the stream raw.
  init(
    _ output: OutputFile, _ description: VQ4TensorDescription, _ role: VQ4StreamRole,
    at start: Int, leastGainPercent: Int?
  ) {
    self.output = output
    self.description = description
    self.role = role
    self.start = start
    self.leastGainPercent = leastGainPercent
    end = start
    chunkBytes = min(description.chunkByteCount(of: role), description.byteCount(of: role))
    buffer = AlignedBuffer(count: chunkBytes)
    compressed =
      leastGainPercent == nil ? nil : AlignedBuffer(count: ZstdEncoder.bound(chunkBytes))
    encoder = leastGainPercent == nil ? nil : ZstdEncoder()
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(VQ4Error) {
    guard bytes.count <= description.byteCount(of: role) - receivedBytes else {
      throw VQ4Error(
        .streamOverrun, "more bytes than the stream has",
        expected: VQ4Error.bytes(description.byteCount(of: role)), remedy: .checkInput)
    }
    receivedBytes += bytes.count
    var rest = bytes
    while !rest.isEmpty {
      if bufferedBytes == 0 && rest.count >= chunkBytes {
        try writeChunk(rest.part(0, chunkBytes))
        rest = rest.part(chunkBytes, rest.count - chunkBytes)
        continue
      }
      let count = min(chunkBytes - bufferedBytes, rest.count)
      UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[bufferedBytes..<bufferedBytes + count])
        .copyMemory(from: rest.part(0, count))
      rest = rest.part(count, rest.count - count)
      bufferedBytes += count
      if bufferedBytes == chunkBytes { try flush() }
    }
  }

  /// Ends the stream. Returns its content hash and the end of its last chunk.
  func finish() throws(VQ4Error) -> (hash: VQ4Hash, end: Int) {
    guard receivedBytes == description.byteCount(of: role) else {
      throw VQ4Error(
        .streamIncomplete, "fewer bytes than the stream has",
        expected: VQ4Error.bytes(description.byteCount(of: role)),
        found: VQ4Error.bytes(receivedBytes), remedy: .checkInput)
    }
    if bufferedBytes > 0 { try flush() }
    if let leastGainPercent, chunks.contains(where: { $0.codec == VQ4Codec.zstd.rawValue }),
      (end - start) * 100 > receivedBytes * (100 - leastGainPercent)
    {
      try expand()
    }
    return (hasher.value, end)
  }

  private func flush() throws(VQ4Error) {
    try writeChunk(UnsafeRawBufferPointer(buffer.prefix(bufferedBytes)))
    bufferedBytes = 0
  }

  private func writeChunk(_ raw: UnsafeRawBufferPointer) throws(VQ4Error) {
    try ElementCheck(description, role).check(raw, at: chunks.count * chunkBytes)
    hasher.update(raw)
    var stored = raw
    var codec = VQ4Codec.raw
    if let encoder, let compressed, let count = encoder.encode(raw, into: compressed.bytes) {
      stored = UnsafeRawBufferPointer(compressed.prefix(count))
      codec = .zstd
    }
    try write(stored, rawBytes: raw.count, codec, at: end)
    end += stored.count
  }

  private func write(
    _ stored: UnsafeRawBufferPointer, rawBytes: Int, _ codec: VQ4Codec, at offset: Int,
    replacing index: Int? = nil
  ) throws(VQ4Error) {
    try output.write(stored, at: offset)
    let record = ChunkRecord(
      offset: UInt64(offset), storedBytes: UInt32(stored.count), rawBytes: UInt32(rawBytes),
      hash: chunkHash(stored), codec: codec)
    if let index { chunks[index] = record } else { chunks.append(record) }
  }

  /// Rewrites all chunks raw, the last one first: a raw chunk begins at or after the end of the
  /// compressed chunk before it, so nothing that is still needed is overwritten.
  private func expand() throws(VQ4Error) {
    let decoder = ZstdDecoder()
    let stored = AlignedBuffer(count: chunkBytes)
    for index in chunks.indices.reversed() {
      let chunk = chunks[index]
      let storedBytes = stored.prefix(Int(chunk.storedBytes))
      try output.read(into: storedBytes, at: Int(chunk.offset))
      var raw = UnsafeRawBufferPointer(storedBytes)
      if chunk.codec == VQ4Codec.zstd.rawValue {
        let decoded = buffer.prefix(Int(chunk.rawBytes))
        try decoder.decode(raw, into: decoded)
        raw = UnsafeRawBufferPointer(decoded)
      }
      try write(
        raw, rawBytes: raw.count, .raw, at: start + index * chunkBytes, replacing: index)
    }
    end = start + receivedBytes
  }
}
