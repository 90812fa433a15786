extension VQ4File {
  /// Writes the same model with another storage layout; the content hash stays the same.
  ///
  /// Holds one chunk and the scales of one tensor at a time.
  /// - Parameter progress: called after each tensor with the tensors done and all tensors.
  /// - Returns: what `VQ4Writer.finish` says.
  @discardableResult
  public func repack(
    to output: String, layout: VQ4StorageLayout, overwrite: Bool = false,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(VQ4Error) -> VQ4Writer.Result {
    let writer = try VQ4Writer(
      path: output, layout: layout, overwrite: overwrite, pageShift: superblock.pageShift)
    for blob in attachments {
      guard let bytes = try attachment(blob.name) else { continue }
      try writer.addAttachment(blob.name, bytes, inPlace: blob.codec == .raw)
    }
    var buffer = AlignedBuffer(count: VQ4Limits.chunkBytes)
    for group in groups {
      try writer.beginGroup(group.name)
      for index in group.tensors {
        try writer.beginTensor(tensors[index].description)
        for role in VQ4StreamRole.allCases {
          for chunk in 0..<chunkCount(index, role) {
            let count = chunkRange(index, role, chunk).count
            if count > buffer.bytes.count { buffer = AlignedBuffer(count: count) }
            let decoded = buffer.prefix(count)
            try decodeChunk(index, role, chunk, into: decoded)
            try writer.append(role, UnsafeRawBufferPointer(decoded))
          }
        }
        try writer.endTensor()
        progress(index + 1, tensors.count)
      }
    }
    let result = try writer.finish()
    precondition(result.contentHash == contentHash, "repacking changed the content")
    return result
  }
}
