import VARJSON

extension VQ4File {
  /// The decoded bytes of an attachment, hash checked, or nil where the file has none of that name.
  package func attachment(_ name: String) throws(VQ4Error) -> [UInt8]? {
    guard let attachment = attachments.first(where: { $0.name == name }) else { return nil }
    let stored = try checkedBytes(of: attachment)
    try VQ4Error.requireMemory(attachment.byteCount)
    guard attachment.codec == .zstd else { return Array(stored) }
    let buffer = try AlignedBuffer(count: attachment.byteCount)
    try decode(attachment, stored, into: buffer.prefix(attachment.byteCount))
    return Array(buffer.prefix(attachment.byteCount))
  }

  /// The bytes of an attachment in place, 64-byte aligned and hash checked; nil where it is
  /// compressed or absent.
  package func attachmentInPlace(_ name: String) throws(VQ4Error) -> UnsafeRawBufferPointer? {
    guard let attachment = attachments.first(where: { $0.name == name }), attachment.codec == .raw
    else { return nil }
    return try checkedBytes(of: attachment)
  }

  /// An attachment that must be there, as JSON of bounded depth without duplicate keys.
  package func jsonAttachment(_ name: String) throws(VQ4Error) -> JSONValue {
    guard let bytes = try attachment(name) else {
      throw VQ4Error(.missingAttachment, "it is missing", remedy: .convertAgain)
        .at("attachment \"\(name)\"").inFile(path)
    }
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

  func decode(
    _ attachment: VQ4Attachment, _ stored: UnsafeRawBufferPointer,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    do throws(VQ4Error) {
      try ZstdDecoder().decode(stored, into: output)
      guard VQ4Hash(of: UnsafeRawBufferPointer(output)) == attachment.rawHash else {
        throw VQ4Error(
          .attachmentHash, "the hash of the decoded bytes does not match",
          remedy: .convertAgain)
      }
    } catch {
      throw error.at("attachment \"\(attachment.name)\"").inFile(path)
    }
  }
}
