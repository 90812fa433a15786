extension VQ4Writer {
  /// Writes what stands behind the payload, then the first superblock, then its copy, and gives the
  /// file its name.
  ///
  /// - Parameter contentHash: what the content has; nil takes any.
  func writeTables(expecting contentHash: VQ4Hash?) throws(VQ4Error) -> Result {
    let superblock = try writeContent()
    guard contentHash == nil || superblock.contentHash == contentHash else {
      throw VQ4Error(
        .contentHash, "the content is not what the tables say", remedy: .convertAgain)
    }
    try output.write(superblock.encoded(), at: 0)
    try output.synchronize()
    try output.write(superblock.encoded(), at: superblock.fileBytes - VQ4Limits.superblockBytes)
    try output.publish()
    return Result(
      fileBytes: superblock.fileBytes, contentHash: superblock.contentHash.description)
  }

  /// Writes what stands behind the payload, but for the superblock, which it gives.
  func writeContent() throws(VQ4Error) -> Superblock {
    var superblock = Superblock()
    superblock.pageShift = pageShift
    superblock.payloadOffset = 1 << pageShift
    superblock.payloadBytes = end - superblock.payloadOffset
    // What an expanded or compressed stream left behind the end is no part of the file.
    try output.truncate(to: end)
    superblock.blobsOffset = Format.aligned(end, to: VQ4Limits.streamAlignment)
    end = superblock.blobsOffset
    try writeAttachments()
    superblock.blobsBytes = end - superblock.blobsOffset
    for table in encodedTables() {
      let offset = Format.aligned(end, to: VQ4Limits.streamAlignment)
      try output.write(table, at: offset)
      end = offset + table.count
      superblock.sections.append(
        Section(
          offset: offset, size: table.count, hash: table.withUnsafeBytes { VQ4Hash(of: $0) }))
    }
    let copyOffset = Format.aligned(end, to: VQ4Limits.streamAlignment)
    superblock.fileBytes = copyOffset + VQ4Limits.superblockBytes
    superblock.contentHash = try directory.contentHash()
    return superblock
  }

  /// In the order of their names, whatever the order in which they were added.
  private func writeAttachments() throws(VQ4Error) {
    blobs.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    var compressedBytes = 0
    for blob in blobs {
      let raw = try AlignedBuffer(count: blob.bytes.count)
      raw.prefix(blob.bytes.count).copyBytes(from: blob.bytes)
      let rawBytes = UnsafeRawBufferPointer(raw.prefix(blob.bytes.count))
      let compressed = try AlignedBuffer(count: ZstdEncoder.bound(blob.bytes.count))
      var stored = rawBytes
      var codec = VQ4Codec.raw
      let total = compressedBytes + blob.bytes.count
      if !blob.inPlace, total <= VQ4Limits.maximumCompressedAttachmentBytes,
        let count = try ZstdEncoder().encode(rawBytes, into: compressed.bytes)
      {
        stored = UnsafeRawBufferPointer(compressed.prefix(count))
        codec = .zstd
        compressedBytes = total
      }
      let offset = Format.aligned(end, to: VQ4Limits.streamAlignment)
      try output.write(stored, at: offset)
      end = offset + stored.count
      directory.attachments.append(
        VQ4Attachment(
          name: blob.name, byteCount: rawBytes.count, fileRange: offset..<end, codec: codec,
          storedHash: VQ4Hash(of: stored), rawHash: VQ4Hash(of: rawBytes)))
    }
  }

  /// The tables in the order of `SectionKind`.
  private func encodedTables() -> [[UInt8]] {
    var strings = ByteEncoder()
    func reference(_ name: String) -> NameReference {
      let reference = NameReference(
        offset: UInt32(strings.bytes.count), length: UInt32(name.utf8.count))
      strings.append(name.utf8)
      return reference
    }
    var groups = ByteEncoder()
    var tensors = ByteEncoder()
    for group in directory.groups {
      GroupRecord(
        name: reference(group.name), firstTensor: UInt32(group.tensors.lowerBound),
        tensorCount: UInt32(group.tensors.count), offset: UInt64(group.fileRange.lowerBound),
        byteCount: UInt64(group.fileRange.count)
      ).encode(to: &groups)
      for tensor in directory.tensors[group.tensors] {
        TensorRecord(
          tensor.description, name: reference(tensor.name),
          streams: zip(VQ4StreamRole.allCases, tensor.streams).map { role, stream in
            StreamRecord(
              firstChunk: UInt32(stream.chunks.lowerBound),
              chunkCount: UInt32(stream.chunks.count),
              byteCount: UInt64(tensor.description.byteCount(of: role)), hash: stream.hash)
          }
        ).encode(to: &tensors)
      }
    }
    var chunkTable = ByteEncoder()
    for chunk in chunks { chunk.encode(to: &chunkTable) }
    var attachments = ByteEncoder()
    for attachment in directory.attachments {
      AttachmentRecord(attachment, name: reference(attachment.name)).encode(to: &attachments)
    }
    return [strings.bytes, groups.bytes, tensors.bytes, chunkTable.bytes, attachments.bytes]
  }
}
