extension VQ4File {
  /// Reads every byte of the file: hashes, zero padding, each chunk decoded, forbidden values.
  ///
  /// Throws the first fault. Holds one decoded chunk, and its planes where it is stored as such, or one attachment at
  /// a time: at most 128 MiB.
  /// - Parameters:
  ///   - isCancelled: asked after each chunk; true throws `cancelled`.
  ///   - progress: called after each chunk with the bytes done and the bytes of the file.
  /// - Returns: names of the matrices and tables whose elements are all zero: allowed, and hardly
  ///   what a trained model holds.
  @discardableResult
  package func verify(
    isCancelled: () -> Bool = { false },
    progress: (_ doneBytes: Int, _ totalBytes: Int) -> Void = { _, _ in }
  ) throws(VQ4Error) -> [String] {
    let zeros: [String]
    do {
      try verifyPadding()
      try verifyAttachments()
      zeros = try verifyTensors(isCancelled, progress)
    } catch {
      throw error.inFile(path)
    }
    progress(byteCount, byteCount)
    return zeros
  }

  private func verifyTensors(
    _ isCancelled: () -> Bool, _ progress: (Int, Int) -> Void
  ) throws(VQ4Error) -> [String] {
    var zeros: [String] = []
    var buffer = try AlignedBuffer(count: VQ4Limits.chunkBytes)
    let decoder = VQ4ChunkDecoder()
    for (index, tensor) in tensors.enumerated() {
      var isZero = tensor.description.layout != .vector
      for role in VQ4StreamRole.allCases {
        let stream = tensor.streams[Int(role.rawValue)]
        guard !stream.chunks.isEmpty else { continue }
        let hasher = try StreamHasher()
        let check = ElementCheck(tensor.description, role)
        var offset = 0
        var isZeroStream = true
        for (number, chunk) in chunks[stream.chunks].enumerated() {
          if chunk.rawBytes > buffer.bytes.count {
            buffer = try AlignedBuffer(count: chunk.rawBytes)
          }
          do {
            var bytes = try checkedBytes(of: chunk, in: &decoder.stored)
            if chunk.codec != .raw {
              let output = buffer.prefix(chunk.rawBytes)
              try decoder.decode(bytes, chunk.codec, into: output)
              bytes = UnsafeRawBufferPointer(output)
            }
            hasher.update(bytes)
            isZeroStream = isZeroStream && bytes.firstNonZero == nil
            try check.check(bytes, at: offset)
          } catch {
            throw error.at(place(index, role, number))
          }
          offset += chunk.rawBytes
          progress(chunk.offset + chunk.storedBytes, byteCount)
          guard !isCancelled() else { throw VQ4Error(.cancelled, "interrupted", remedy: .none) }
        }
        guard hasher.value == stream.hash else { throw wrongStreamHash(index, role) }
        // An int4 code of 0 stands for an entry of the codebook: its scales tell.
        let tells = tensor.description.elementType == .int4 ? role == .scales : role == .codes
        if tells { isZero = isZero && isZeroStream }
      }
      if isZero { zeros.append(tensor.name) }
    }
    return zeros
  }

  func wrongStreamHash(_ tensor: Int, _ role: VQ4StreamRole) -> VQ4Error {
    VQ4Error(.streamHash, "the hash of the decoded bytes does not match", remedy: .convertAgain)
      .at("tensor \"\(tensors[tensor].name)\", \(role)")
  }

  private func verifyAttachments() throws(VQ4Error) {
    for attachment in attachments {
      let stored = try checkedBytes(of: attachment)
      if attachment.codec == .zstd {
        _ = try decoded(attachment, stored)
      } else if attachment.rawHash != attachment.storedHash {
        throw VQ4Error(
          .attachmentHash, "the two hashes of a raw attachment differ", remedy: .convertAgain
        ).at("attachment \"\(attachment.name)\"")
      }
    }
  }

  private func gapBytes(
    _ range: Range<Int>, in buffer: inout AlignedBuffer
  ) throws(VQ4Error) -> UnsafeRawBufferPointer {
    guard range.lowerBound < tables.range.lowerBound else {
      return tables.part(range.lowerBound, range.count)
    }
    if range.count > buffer.bytes.count { buffer = try AlignedBuffer(count: range.count) }
    try bytes.read(into: buffer.prefix(range.count), at: range.lowerBound)
    return UnsafeRawBufferPointer(buffer.prefix(range.count))
  }

  /// Bytes between the regions, groups, streams and attachments are zero.
  private func verifyPadding() throws(VQ4Error) {
    var end = VQ4Limits.superblockBytes
    var buffer = try AlignedBuffer(count: VQ4Limits.chunkBytes)
    func gap(to start: Int) throws(VQ4Error) {
      let bytes = try gapBytes(end..<start, in: &buffer)
      if let position = bytes.firstNonZero {
        throw VQ4Error(.paddingNotZero, "a byte between two regions is not zero")
          .atOffset(end + position).at("padding")
      }
    }
    for chunk in chunks {
      try gap(to: chunk.offset)
      end = chunk.offset + chunk.storedBytes
    }
    if chunks.isEmpty {
      try gap(to: superblock.payloadOffset)
      end = superblock.payloadOffset
    }
    for attachment in attachments {
      try gap(to: attachment.fileRange.lowerBound)
      end = attachment.fileRange.upperBound
    }
    for kind in SectionKind.allCases {
      try gap(to: superblock[kind].offset)
      end = superblock[kind].offset + superblock[kind].size
    }
    try gap(to: byteCount - VQ4Limits.superblockBytes)
  }
}
