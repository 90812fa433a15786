import VARJSON

extension VQ4File {
  /// The decoded bytes of an attachment, hash checked, or nil where the file has none of that name.
  package func attachment(_ name: String) throws(VQ4Error) -> [UInt8]? {
    guard let attachment = attachments.first(where: { $0.name == name }) else { return nil }
    let stored = try checkedBytes(of: attachment)
    try VQ4Error.requireMemory(attachment.byteCount)
    guard attachment.codec == .zstd else { return Array(stored) }
    let buffer = try decoded(attachment, stored)
    return withExtendedLifetime(buffer) { Array(buffer.prefix(attachment.byteCount)) }
  }

  /// The bytes of an attachment in place, 64-byte aligned and hash checked; nil where it is
  /// compressed or absent.
  package func attachmentInPlace(_ name: String) throws(VQ4Error) -> UnsafeRawBufferPointer? {
    guard let attachment = attachments.first(where: { $0.name == name }), attachment.codec == .raw
    else { return nil }
    return try checkedBytes(of: attachment)
  }

  /// An attachment that must be there, as JSON of bounded size and depth without duplicate keys.
  package func jsonAttachment(_ name: String) throws(VQ4Error) -> JSONValue {
    guard let attachment = attachments.first(where: { $0.name == name }) else {
      throw VQ4Error(.missingAttachment, "it is missing", remedy: .convertAgain)
        .at("attachment \"\(name)\"").inFile(path)
    }
    guard attachment.byteCount <= VQ4Limits.maximumJSONBytes else {
      throw VQ4Error(
        .invalidMetadata, "too large for JSON",
        expected: "at most \(VQ4Error.bytes(VQ4Limits.maximumJSONBytes))",
        found: VQ4Error.bytes(attachment.byteCount), remedy: .convertAgain
      ).at("attachment \"\(name)\"").inFile(path)
    }
    let bytes = try self.attachment(name) ?? []
    do {
      return try JSONValue(parsing: bytes)
    } catch {
      throw VQ4Error(.invalidMetadata, "not valid JSON: \(error)", remedy: .convertAgain)
        .at("attachment \"\(name)\"").inFile(path)
    }
  }

  func checkedBytes(of attachment: VQ4Attachment) throws(VQ4Error) -> UnsafeRawBufferPointer {
    let range = attachment.fileRange
    let bytes = tables.part(range.lowerBound, range.count)
    guard VQ4Hash(of: bytes) == attachment.storedHash else {
      throw VQ4Error(.attachmentHash, "the hash does not match").atOffset(range.lowerBound)
        .at("attachment \"\(attachment.name)\"").inFile(path)
    }
    return bytes
  }

  /// What a compressed attachment decodes to, at the start of a buffer. Its frame is looked at before memory is taken.
  func decoded(
    _ attachment: VQ4Attachment, _ stored: UnsafeRawBufferPointer
  ) throws(VQ4Error) -> AlignedBuffer {
    do throws(VQ4Error) {
      try ZstdFrameHeader.check(stored, contentByteCount: attachment.byteCount)
      // Whoever copies a file holds all of them at once.
      let byteCount = attachments.reduce(0) { $1.codec == .raw ? $0 : $0 + $1.byteCount }
      guard byteCount <= VQ4Limits.maximumCompressedAttachmentBytes else {
        throw VQ4Error(
          .attachmentSize, "the compressed attachments decode to too many bytes together",
          expected: "at most \(VQ4Error.bytes(VQ4Limits.maximumCompressedAttachmentBytes))",
          found: VQ4Error.bytes(byteCount), remedy: .convertAgain)
      }
      let buffer = try AlignedBuffer(count: attachment.byteCount)
      let output = buffer.prefix(attachment.byteCount)
      try ZstdDecoder().decode(stored, into: output)
      guard VQ4Hash(of: UnsafeRawBufferPointer(output)) == attachment.rawHash else {
        throw VQ4Error(
          .attachmentHash, "the hash of the decoded bytes does not match",
          remedy: .convertAgain)
      }
      return buffer
    } catch {
      throw error.at("attachment \"\(attachment.name)\"").inFile(path)
    }
  }
}
