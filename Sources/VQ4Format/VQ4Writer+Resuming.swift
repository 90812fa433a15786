/// What a file says about a stored chunk whose place and decoded size follow from its stream.
package struct VQ4StoredChunk: Sendable, Equatable {
  let storedBytes: UInt32
  let hash: UInt64
  let codec: UInt8

  init(_ record: ChunkRecord) {
    storedBytes = record.storedBytes
    hash = record.hash
    codec = record.codec
  }

  /// The chunk at a place, or nil where it cannot have that size.
  func record(at offset: Int, rawBytes: Int) -> ChunkRecord? {
    guard let codec = VQ4Codec(rawValue: codec), storedBytes > 0,
      codec == .raw ? Int(storedBytes) == rawBytes : Int(storedBytes) < rawBytes,
      codec != .zstdPlanes || rawBytes % 2 == 0
    else { return nil }
    return ChunkRecord(
      offset: UInt64(offset), storedBytes: storedBytes, rawBytes: UInt32(rawBytes), hash: hash,
      codec: codec)
  }
}

/// What has to be known about a tensor in a partial file to take it over: 13 bytes a chunk.
package struct VQ4TensorState: Sendable, Equatable {
  /// Indexed by `VQ4StreamRole.rawValue`.
  let streams: [(chunks: [VQ4StoredChunk], hash: VQ4Hash)]

  /// Bytes of the file that the streams take.
  package var storedByteCount: Int {
    streams.reduce(0) { $0 + $1.chunks.reduce(0) { $0 + Int($1.storedBytes) } }
  }

  package static func == (left: VQ4TensorState, right: VQ4TensorState) -> Bool {
    left.streams.elementsEqual(right.streams) { $0 == $1 }
  }
}

extension ByteEncoder {
  /// Appends a count and the chunks.
  package mutating func append(_ chunks: [VQ4StoredChunk]) {
    append(UInt32(chunks.count))
    for chunk in chunks {
      append(chunk.storedBytes)
      append(chunk.hash)
      append(chunk.codec)
    }
  }

  /// Appends a tensor's state.
  package mutating func append(_ state: VQ4TensorState) {
    for stream in state.streams {
      append(stream.hash)
      append(stream.chunks)
    }
  }
}

extension ByteDecoder {
  /// Reads what `append(_: [VQ4StoredChunk])` wrote; nil where the bytes end before.
  package mutating func nextStoredChunks() -> [VQ4StoredChunk]? {
    guard remainingBytes >= 4 else { return nil }
    let count = Int(next(UInt32.self))
    guard count <= remainingBytes / 13 else { return nil }
    return (0..<count).map { _ in
      VQ4StoredChunk(storedBytes: next(), hash: next(), codec: next())
    }
  }

  /// Reads a tensor's state; nil where the bytes end before.
  package mutating func nextTensorState() -> VQ4TensorState? {
    var streams: [(chunks: [VQ4StoredChunk], hash: VQ4Hash)] = []
    for _ in VQ4StreamRole.allCases {
      guard remainingBytes >= 16 else { return nil }
      let hash = nextHash()
      guard let chunks = nextStoredChunks() else { return nil }
      streams.append((chunks, hash))
    }
    return VQ4TensorState(streams: streams)
  }
}

extension VQ4StoredChunk {
  fileprivate init(storedBytes: UInt32, hash: UInt64, codec: UInt8) {
    self.storedBytes = storedBytes
    self.hash = hash
    self.codec = codec
  }
}

/// Stopping, and taking over what a stopped writer left behind.
extension VQ4Writer {
  /// Whether giving up, or the end of the process, leaves the partial file for a later run.
  package var isResumable: Bool {
    get { output.keepsPartial }
    set { output.keepsPartial = newValue }
  }

  /// Whether what is written need not stay in the system's memory.
  package var dropsCache: Bool {
    get { output.dropsCache }
    set { output.dropsCache = newValue }
  }

  /// Whether the bytes go into an existing file itself, because its folder takes no other beside it: then nothing can
  /// be continued.
  package var isInPlace: Bool { output.isInPlace }

  /// Whether the complete file has its name; an error may have come after that.
  package var isPublished: Bool { output.isPublished }

  /// Bytes of the partial file.
  package var partialByteCount: Int { output.byteCount }

  /// Bytes of the disk that the partial file takes already.
  package var allocatedByteCount: Int { output.allocatedByteCount }

  /// Version of the library that compresses; the bytes of a compressed file depend on it.
  package static var compressorVersion: Int { ZstdEncoder.version }

  /// Returns when all that was written before the call is safely on the disk. Any thread may call it, until the writer
  /// is finished or abandoned; the writer stays as it is when it fails.
  package func synchronizeData() throws(VQ4Error) { try output.synchronizeData() }

  /// Cuts off what stands behind the tensors that were written or taken over.
  package func discardRest() throws(VQ4Error) {
    do {
      // A new file has nothing in front of its first group either.
      let isEmpty = directory.tensors.isEmpty && openTensor == nil
      try output.truncate(to: isEmpty ? 0 : openTensor?.codes.end ?? end)
    } catch {
      throw fail(error)
    }
  }

  /// The state of the tensor that ended last.
  package var lastTensorState: VQ4TensorState {
    guard let tensor = directory.tensors.last else { preconditionFailure("no tensor has ended") }
    return VQ4TensorState(
      streams: tensor.streams.map { stream in
        (chunks[stream.chunks].map { VQ4StoredChunk($0) }, stream.hash)
      })
  }

  /// The chunks of codes of the open tensor that are written, from `first` on.
  package func openChunks(from first: Int) -> [VQ4StoredChunk] {
    openTensor?.codes.chunks[first...].map { VQ4StoredChunk($0) } ?? []
  }

  /// The bytes of a scale stream of the open tensor, from `first` on.
  package func openScales(_ role: VQ4StreamRole, from first: Int) -> [UInt8] {
    Array(openTensor?.scales[role]?[first...] ?? [])
  }

  /// Whether the next chunk of the open tensor's codes is stored compressed where that makes it smaller.
  package var compressesCodes: Bool { openTensor?.codes.isCompressing ?? false }

  /// Appends the next chunk of codes of the open tensor.
  package func append(_ chunk: VQ4EncodedChunk) throws(VQ4Error) {
    guard let tensor = openTensor else { preconditionFailure("bytes outside a tensor") }
    do {
      try tensor.codes.append(chunk)
    } catch {
      throw fail(error.at("tensor \"\(tensor.description.name)\", \(VQ4StreamRole.codes)"))
    }
  }

  /// Takes over the next tensor, which a stopped writer ended.
  ///
  /// - Parameter isChecked: reads its bytes back and compares their hashes.
  /// - Throws: `chunkStoredSize`, `chunkCount` or `chunkHash` where the partial file does not hold it.
  package func restoreTensor(
    _ description: VQ4TensorDescription, _ state: VQ4TensorState, isChecked: Bool
  ) throws(VQ4Error) {
    try register(description)
    do {
      var streams: [VQ4Tensor.Stream] = []
      for (role, stream) in zip(VQ4StreamRole.allCases, state.streams) {
        streams.append(try restore(description, role, stream, isChecked: isChecked))
      }
      directory.tensors.append(
        VQ4Tensor(description: description, group: directory.groups.count, streams: streams))
    } catch {
      throw fail(error.at("tensor \"\(description.name)\""))
    }
  }

  /// Takes over the first chunks of codes of the open tensor; reads and checks all of them.
  package func restoreCodes(_ chunks: [VQ4StoredChunk]) throws(VQ4Error) {
    guard let tensor = openTensor else { preconditionFailure("no tensor is open") }
    do {
      try tensor.codes.restore(chunks)
    } catch {
      throw fail(error.at("tensor \"\(tensor.description.name)\", \(VQ4StreamRole.codes)"))
    }
  }

  private func restore(
    _ description: VQ4TensorDescription, _ role: VQ4StreamRole,
    _ stream: (chunks: [VQ4StoredChunk], hash: VQ4Hash), isChecked: Bool
  ) throws(VQ4Error) -> VQ4Tensor.Stream {
    guard stream.chunks.count == description.chunkCount(of: role) else {
      throw VQ4Error(
        .chunkCount, "the stopped run wrote another number of chunks",
        expected: "\(description.chunkCount(of: role))", found: "\(stream.chunks.count)",
        remedy: .startAnew)
    }
    let first = chunks.count
    guard !stream.chunks.isEmpty else {
      return VQ4Tensor.Stream(chunks: 0..<0, hash: .zero, isRaw: true)
    }
    var offset = Format.aligned(end, to: VQ4Limits.streamAlignment)
    var rest = description.byteCount(of: role)
    for chunk in stream.chunks {
      let rawBytes = min(description.chunkByteCount(of: role), rest)
      guard let record = chunk.record(at: offset, rawBytes: rawBytes),
        offset + Int(record.storedBytes) <= output.byteCount
      else {
        throw VQ4Error(
          .chunkStoredSize, "the partial file does not hold what the stopped run wrote",
          remedy: .startAnew
        ).atOffset(offset)
      }
      if isChecked { try check(record) }
      chunks.append(record)
      offset += Int(record.storedBytes)
      rest -= rawBytes
    }
    end = offset
    return VQ4Tensor.Stream(chunks: first..<chunks.count, hash: stream.hash, isRaw: false)
  }

  private func check(_ chunk: ChunkRecord) throws(VQ4Error) {
    let bytes = try AlignedBuffer(count: Int(chunk.storedBytes))
    try output.read(into: bytes.bytes, at: Int(chunk.offset))
    guard chunkHash(UnsafeRawBufferPointer(bytes.prefix(Int(chunk.storedBytes)))) == chunk.hash
    else {
      throw VQ4Error(
        .chunkHash, "the partial file does not hold what the stopped run wrote", remedy: .startAnew
      ).atOffset(Int(chunk.offset))
    }
  }
}
