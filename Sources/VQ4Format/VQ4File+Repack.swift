import VARSystem

extension VQ4File {
  /// Writes the same model with another storage layout; the content hash stays the same.
  ///
  /// Holds one chunk and the scales of one tensor at a time. The file appears under its name only
  /// when it is complete.
  /// - Parameters:
  ///   - progress: called after each chunk with the decoded bytes done and all of them.
  ///   - isCancelled: asked before each chunk.
  /// - Returns: what `VQ4Writer.finish` says.
  /// - Throws: `VQ4Error` with `sameFile` for the file itself, `notEnoughSpace` before anything is
  ///   written, `cancelled`, or as the writer.
  @discardableResult
  package func repack(
    to output: String, layout: VQ4StorageLayout, overwrite: Bool = false,
    progress: (_ doneBytes: Int, _ totalBytes: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws(VQ4Error) -> VQ4Writer.Result {
    guard !isSameFile(output) else {
      throw VQ4Error(.sameFile, "is the file that is repacked", remedy: .chooseOtherOutput)
        .inFile(output)
    }
    try checkFreeSpace(output, layout)
    let writer = try VQ4Writer(
      path: output, layout: layout, overwrite: overwrite, pageShift: superblock.pageShift)
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
            try writer.append(role, UnsafeRawBufferPointer(decoded))
            done += count
            progress(done, total)
          }
        }
        try writer.endTensor()
      }
    }
    let result = try writer.finish()
    precondition(result.contentHash == contentHash, "repacking changed the content")
    return result
  }

  private func isSameFile(_ output: String) -> Bool {
    guard let own = try? bytes.region?.status() else { return false }
    return own.identity == FileStatus(output)?.identity
  }

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
