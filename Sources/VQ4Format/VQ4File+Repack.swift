import VARSystem

extension VQ4File {
  /// Writes the same model with another storage layout; the content hash stays the same.
  ///
  /// Holds one chunk and the scales of one tensor at a time. The file appears under its name only
  /// when it is complete and all hashes of its content are those of this file.
  /// - Parameters:
  ///   - progress: called after each chunk with the decoded bytes done and all of them.
  ///   - isCancelled: asked before each chunk.
  /// - Returns: what `VQ4Writer.finish` says.
  /// - Throws: `VQ4Error` with `sameFile` for the file itself, `notEnoughSpace` before anything is
  ///   written, `cancelled`, what is wrong with this file, or as the writer.
  @discardableResult
  package func repack(
    to output: String, layout: VQ4StorageLayout, overwrite: Bool = false,
    progress: (_ doneBytes: Int, _ totalBytes: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws(VQ4Error) -> VQ4Writer.Result {
    let own = (try? bytes.region?.status())?.identity
    guard own == nil || own != FileStatus(output)?.identity else {
      throw VQ4Error(.sameFile, "is the file that is repacked", remedy: .chooseOtherOutput)
        .inFile(output)
    }
    try checkFreeSpace(output, layout)
    let writer = try VQ4Writer(
      VQ4Output(output, overwrite: overwrite, inputs: own.map { [$0] } ?? []), layout: layout,
      pageShift: superblock.pageShift)
    for blob in attachments {
      guard let bytes = try attachment(blob.name) else { continue }
      try writer.addAttachment(blob.name, bytes, inPlace: blob.codec == .raw)
    }
    let total = tensors.reduce(0) { $0 + $1.description.byteCount }
    var done = 0
    var buffer = try AlignedBuffer(count: VQ4Limits.chunkBytes)
    let decoder = VQ4ChunkDecoder()
    for group in groups {
      try writer.beginGroup(group.name)
      for index in group.tensors {
        try writer.beginTensor(tensors[index].description)
        for role in VQ4StreamRole.allCases {
          for chunk in 0..<chunkCount(index, role) {
            guard !isCancelled() else {
              throw VQ4Error(.cancelled, "interrupted", remedy: .none).inFile(output)
            }
            let count = chunkRange(index, role, chunk).count
            if count > buffer.bytes.count { buffer = try AlignedBuffer(count: count) }
            let decoded = buffer.prefix(count)
            try decodeChunk(index, role, chunk, into: decoded, by: decoder)
            try ofSource { () throws(VQ4Error) in
              try writer.append(role, UnsafeRawBufferPointer(decoded))
            }
            done += count
            progress(done, total)
          }
        }
        try ofSource { () throws(VQ4Error) in try writer.endTensor() }
        try checkStreams(of: index, against: writer.lastTensorState)
      }
    }
    return try ofSource { () throws(VQ4Error) in
      try writer.finish(expecting: superblock.contentHash)
    }
  }

  /// Compares the hashes of what was written with those that this file states.
  private func checkStreams(of index: Int, against state: VQ4TensorState) throws(VQ4Error) {
    for role in VQ4StreamRole.allCases {
      let number = Int(role.rawValue)
      guard state.streams[number].hash == tensors[index].streams[number].hash else {
        throw wrongStreamHash(index, role).inFile(path)
      }
    }
  }

  /// Names this file for what the writer finds wrong with the content.
  private func ofSource<Value>(
    _ body: () throws(VQ4Error) -> Value
  ) throws(VQ4Error) -> Value {
    do throws(VQ4Error) {
      return try body()
    } catch {
      throw Self.contentFaults.contains(error.code) ? error.inFile(path) : error
    }
  }

  private static let contentFaults: Set<VQ4Error.Code> = [
    .invalidScale, .forbiddenValue, .nonFiniteValue, .tilePaddingNotZero, .contentHash,
  ]

  private func checkFreeSpace(
    _ output: String, _ layout: VQ4StorageLayout
  ) throws(VQ4Error) {
    let needed = largestByteCount(layout)
    guard let free = FreeSpace.byteCount(for: output), free < needed else { return }
    throw VQ4Error(
      .notEnoughSpace, "the disk has too little room", expected: "up to \(VQ4Error.bytes(needed))",
      found: VQ4Error.bytes(free), remedy: .freeSpace
    ).inFile(output)
  }

  /// Bytes that the file may have in a layout at most. What gains enough to be compressed here does so again, unless
  /// the layout asks for more or the writer chooses another codec.
  package func largestByteCount(_ layout: VQ4StorageLayout) -> Int {
    // Everything but the payload, and the alignment of groups and streams.
    var count = byteCount - superblock.payloadBytes + groups.count * groupAlignment
    for (index, tensor) in tensors.enumerated() {
      for role in VQ4StreamRole.allCases {
        let rawBytes = tensor.description.byteCount(of: role)
        let isSame = layout == .compact && hasCodecsOfWriter(index, role)
        count += isSame ? storedByteCount(index, role) : rawBytes
        count += VQ4Limits.streamAlignment
      }
    }
    return count
  }

  /// Whether the compressed chunks of a stream have the codec that the writer would choose.
  private func hasCodecsOfWriter(_ tensor: Int, _ role: VQ4StreamRole) -> Bool {
    let codec = tensors[tensor].description.compressedCodec(of: role)
    return chunks[tensors[tensor].streams[Int(role.rawValue)].chunks].allSatisfy {
      $0.codec == .raw || $0.codec == codec
    }
  }
}
