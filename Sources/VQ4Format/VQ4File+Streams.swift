extension VQ4File {
  /// The bytes of a stream in place, 64-byte aligned; nil where the stream is compressed or absent.
  ///
  /// The bytes are not hashed here: `verify` does that. The first call maps the weights; nil, too,
  /// where the file system cannot do that.
  package func rawStream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawBufferPointer? {
    rawFileRange(tensor, role).flatMap(inPlace)
  }

  /// The bytes of the file that a stream takes; nil where it is compressed or absent.
  package func rawFileRange(_ tensor: Int, _ role: VQ4StreamRole) -> Range<Int>? {
    let stream = tensors[tensor].streams[Int(role.rawValue)]
    guard stream.isRaw, let first = stream.chunks.first else { return nil }
    let start = chunks[first].offset
    return start..<start + tensors[tensor].description.byteCount(of: role)
  }

  /// Bytes that a stream takes in the file.
  package func storedByteCount(_ tensor: Int, _ role: VQ4StreamRole) -> Int {
    chunks[tensors[tensor].streams[Int(role.rawValue)].chunks].reduce(0) { $0 + $1.storedBytes }
  }

  /// Chunks of a stream, each of which decodes by itself; 0 where the stream is absent.
  package func chunkCount(_ tensor: Int, _ role: VQ4StreamRole) -> Int {
    tensors[tensor].streams[Int(role.rawValue)].chunks.count
  }

  /// The bytes of the decoded stream that a chunk holds.
  package func chunkRange(_ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int) -> Range<Int> {
    let stream = tensors[tensor].streams[Int(role.rawValue)]
    precondition(stream.chunks.indices.contains(stream.chunks.startIndex + chunk), "no such chunk")
    let start = chunk * tensors[tensor].description.chunkByteCount(of: role)
    return start..<start + chunks[stream.chunks.lowerBound + chunk].rawBytes
  }

  /// The bytes of the file that a chunk takes.
  package func chunkFileRange(_ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int) -> Range<Int> {
    let stored = chunks[tensors[tensor].streams[Int(role.rawValue)].chunks.lowerBound + chunk]
    return stored.offset..<stored.offset + stored.storedBytes
  }

  /// Decodes a whole stream of any codec into `output`, which has exactly its size, and checks the
  /// hash of each chunk.
  package func decodeStream(
    _ tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    precondition(
      output.count == tensors[tensor].description.byteCount(of: role),
      "the output does not have the size of the stream")
    let decoder = VQ4ChunkDecoder()
    for chunk in 0..<chunkCount(tensor, role) {
      let range = chunkRange(tensor, role, chunk)
      try decodeChunk(
        tensor, role, chunk, into: UnsafeMutableRawBufferPointer(rebasing: output[range]),
        by: decoder)
    }
  }

  /// Decodes one chunk into `output`, which has exactly the size of `chunkRange`, and checks its
  /// hash; scales are checked for forbidden values too. Chunks may be decoded by several threads at
  /// once.
  package func decodeChunk(
    _ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    try decodeChunk(tensor, role, chunk, into: output, by: VQ4ChunkDecoder())
  }

  /// The same with a decoder that is used again.
  package func decodeChunk(
    _ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int,
    into output: UnsafeMutableRawBufferPointer, by decoder: VQ4ChunkDecoder
  ) throws(VQ4Error) {
    precondition(
      output.count == chunkRange(tensor, role, chunk).count,
      "the output does not have the size of the chunk")
    let stored: UnsafeRawBufferPointer
    do throws(VQ4Error) {
      stored = try storedBytes(chunkFileRange(tensor, role, chunk), in: &decoder.stored)
    } catch {
      throw error.at(place(tensor, role, chunk)).inFile(path)
    }
    let target = VQ4ChunkTarget(tensor: tensor, role: role, chunk: chunk, offsetBytes: 0)
    try decode(target, stored: stored, into: output.baseAddress!, by: decoder)
  }

  /// Bytes of the payload, in place where they are, else read into a buffer, which grows as needed.
  func storedBytes(
    _ range: Range<Int>, in buffer: inout AlignedBuffer
  ) throws(VQ4Error) -> UnsafeRawBufferPointer {
    if let copy = bytes.copy { return copy.part(range.lowerBound, range.count) }
    if let payload = payload() {
      return payload.part(range.lowerBound - superblock.payloadOffset, range.count)
    }
    if range.count > buffer.bytes.count { buffer = try AlignedBuffer(count: range.count) }
    try bytes.read(into: buffer.prefix(range.count), at: range.lowerBound)
    return UnsafeRawBufferPointer(buffer.prefix(range.count))
  }

  /// The same for a chunk's stored bytes, wherever they were read from.
  func decode(
    _ target: VQ4ChunkTarget, stored bytes: UnsafeRawBufferPointer,
    into output: UnsafeMutableRawPointer, by decoder: VQ4ChunkDecoder
  ) throws(VQ4Error) {
    let (tensor, role, chunk) = (target.tensor, target.role, target.chunk)
    let range = chunkRange(tensor, role, chunk)
    let output = UnsafeMutableRawBufferPointer(
      start: output + target.offsetBytes, count: range.count)
    let stored = chunks[tensors[tensor].streams[Int(role.rawValue)].chunks.lowerBound + chunk]
    do {
      try check(bytes, of: stored)
      try decoder.decode(bytes, stored.codec, into: output)
      if role != .codes {
        try ElementCheck(tensors[tensor].description, role).check(
          UnsafeRawBufferPointer(output), at: range.lowerBound)
      }
    } catch {
      throw error.at(place(tensor, role, chunk)).inFile(path)
    }
  }

  /// The stored bytes of a chunk, after their hash was found right.
  func checkedBytes(
    of chunk: VQ4Chunk, in buffer: inout AlignedBuffer
  ) throws(VQ4Error) -> UnsafeRawBufferPointer {
    let bytes = try storedBytes(chunk.offset..<chunk.offset + chunk.storedBytes, in: &buffer)
    try check(bytes, of: chunk)
    return bytes
  }

  private func check(_ bytes: UnsafeRawBufferPointer, of chunk: VQ4Chunk) throws(VQ4Error) {
    guard chunkHash(bytes) == chunk.hash else {
      throw VQ4Error(.chunkHash, "the hash of \(VQ4Error.bytes(chunk.storedBytes)) does not match")
        .atOffset(chunk.offset)
    }
  }

  func place(_ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int) -> String {
    "tensor \"\(tensors[tensor].name)\", \(role), chunk \(chunk)"
  }
}
