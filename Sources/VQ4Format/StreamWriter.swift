/// Writes one stream of a tensor at a fixed place, chunk by chunk.
///
/// Whether a stream is compressed depends on the gain of its first chunks. They are written compressed, and expanded
/// in place where the gain was too small: no stream is ever held, and nothing older than these chunks changes.
final class StreamWriter {
  private let output: OutputFile
  private let description: VQ4TensorDescription
  private let role: VQ4StreamRole
  private let leastGainPercent: Int?
  private let start: Int
  private let chunkBytes: Int
  private let elementCheck: ElementCheck
  private let buffer: AlignedBuffer
  private let compressed: AlignedBuffer?
  /// What compressed chunks are stored in.
  private let codec: VQ4Codec
  private let compressor: ChunkCompressor?
  private let hasher: StreamHasher
  private var bufferedBytes = 0
  private var receivedBytes = 0
  /// Where the next chunk goes.
  private(set) var end: Int
  private var isDecided: Bool
  /// Whether the next chunks are stored compressed where that makes them smaller.
  private(set) var isCompressing: Bool
  private(set) var chunks: [ChunkRecord] = []

  /// Chunks whose gain decides about the whole stream.
  static let decidingChunkCount = 8

  /// - Parameter leastGainPercent: nil keeps the stream raw.
  /// - Throws: `outOfMemory`.
  init(
    _ output: OutputFile, _ description: VQ4TensorDescription, _ role: VQ4StreamRole,
    at start: Int, leastGainPercent: Int?
  ) throws(VQ4Error) {
    hasher = try StreamHasher()
    self.output = output
    self.description = description
    self.role = role
    self.start = start
    self.leastGainPercent = leastGainPercent
    elementCheck = ElementCheck(description, role)
    isDecided = leastGainPercent == nil
    isCompressing = leastGainPercent != nil
    end = start
    chunkBytes = min(description.chunkByteCount(of: role), description.byteCount(of: role))
    buffer = try AlignedBuffer(count: chunkBytes)
    compressed =
      leastGainPercent == nil ? nil : try AlignedBuffer(count: ZstdEncoder.bound(chunkBytes))
    codec = description.compressedCodec(of: role)
    compressor = leastGainPercent == nil ? nil : ChunkCompressor()
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
    try decide()
    return (hasher.value, end)
  }

  /// Appends the next chunk, checked and perhaps compressed before; nothing else may be waiting.
  func append(_ chunk: VQ4EncodedChunk) throws(VQ4Error) {
    let expected = min(chunkBytes, description.byteCount(of: role) - receivedBytes)
    precondition(bufferedBytes == 0 && chunk.raw.count == expected, "no whole chunk")
    receivedBytes += chunk.raw.count
    hasher.update(chunk.raw)
    if let frame = chunk.frame, isCompressing {
      try write(frame, rawBytes: chunk.raw.count, codec, at: end)
    } else {
      try write(chunk.raw, rawBytes: chunk.raw.count, .raw, at: end)
    }
    try advance()
  }

  /// Takes over chunks that an earlier run wrote, the first ones of the stream. Reads and checks every byte.
  func restore(_ stored: [VQ4StoredChunk]) throws(VQ4Error) {
    precondition(receivedBytes == 0, "chunks are taken over first")
    let decoder = VQ4ChunkDecoder()
    let room = try AlignedBuffer(count: chunkBytes)
    for chunk in stored {
      let rawBytes = min(chunkBytes, description.byteCount(of: role) - receivedBytes)
      guard let record = chunk.record(at: end, rawBytes: rawBytes) else {
        throw VQ4Error(
          .chunkStoredSize, "a chunk of the stopped run has an impossible size", remedy: .startAnew
        ).atOffset(end)
      }
      let bytes = room.prefix(Int(record.storedBytes))
      try output.read(into: bytes, at: end)
      guard chunkHash(UnsafeRawBufferPointer(bytes)) == record.hash else {
        throw VQ4Error(
          .chunkHash, "a chunk of the stopped run is not what was written", remedy: .startAnew
        ).atOffset(end)
      }
      var raw = UnsafeRawBufferPointer(bytes)
      if let codec = record.compressedCodec {
        try decoder.decode(raw, codec, into: buffer.prefix(rawBytes))
        raw = UnsafeRawBufferPointer(buffer.prefix(rawBytes))
      }
      hasher.update(raw)
      receivedBytes += rawBytes
      end += bytes.count
      chunks.append(record)
    }
    guard chunks.count >= Self.decidingChunkCount, !isDecided else { return }
    isDecided = true
    // A stream that gained enough has a compressed chunk among the deciding ones.
    isCompressing = chunks.prefix(Self.decidingChunkCount).contains { $0.compressedCodec != nil }
  }

  /// After a chunk was written at `end`.
  private func advance() throws(VQ4Error) {
    end += chunks.last.map { Int($0.storedBytes) } ?? 0
    if chunks.count == Self.decidingChunkCount { try decide() }
  }

  private func decide() throws(VQ4Error) {
    guard let leastGainPercent, !isDecided else { return }
    isDecided = true
    let rawBytes = chunks.reduce(0) { $0 + Int($1.rawBytes) }
    guard (end - start) * 100 > rawBytes * (100 - leastGainPercent) else { return }
    isCompressing = false
    if chunks.contains(where: { $0.compressedCodec != nil }) { try expand() }
  }

  private func flush() throws(VQ4Error) {
    try writeChunk(UnsafeRawBufferPointer(buffer.prefix(bufferedBytes)))
    bufferedBytes = 0
  }

  private func writeChunk(_ raw: UnsafeRawBufferPointer) throws(VQ4Error) {
    try elementCheck.check(raw, at: chunks.count * chunkBytes)
    hasher.update(raw)
    var stored = raw
    var storedCodec = VQ4Codec.raw
    if isCompressing, let compressor, let compressed,
      let count = try compressor.encode(raw, codec, into: compressed.bytes)
    {
      stored = UnsafeRawBufferPointer(compressed.prefix(count))
      storedCodec = codec
    }
    try write(stored, rawBytes: raw.count, storedCodec, at: end)
    try advance()
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
    let decoder = VQ4ChunkDecoder()
    let stored = try AlignedBuffer(count: chunkBytes)
    for index in chunks.indices.reversed() {
      let chunk = chunks[index]
      let storedBytes = stored.prefix(Int(chunk.storedBytes))
      try output.read(into: storedBytes, at: Int(chunk.offset))
      var raw = UnsafeRawBufferPointer(storedBytes)
      if let codec = chunk.compressedCodec {
        let decoded = buffer.prefix(Int(chunk.rawBytes))
        try decoder.decode(raw, codec, into: decoded)
        raw = UnsafeRawBufferPointer(decoded)
      }
      try write(
        raw, rawBytes: raw.count, .raw, at: start + index * chunkBytes, replacing: index)
    }
    end = start + chunks.reduce(0) { $0 + Int($1.rawBytes) }
  }
}
