/// A run of tensors that are needed together, usually a layer, in one aligned byte range.
package struct VQ4Group: Sendable {
  package let name: String
  /// Indices into `VQ4File.tensors`, in the order of execution.
  package let tensors: Range<Int>
  /// Bytes in the file, from the first stream to the end of the last.
  package let fileRange: Range<Int>
}

/// A tensor of a file and where its streams lie.
package struct VQ4Tensor: Sendable {
  package let description: VQ4TensorDescription
  /// Index into `VQ4File.groups`.
  package let group: Int
  /// Indexed by `VQ4StreamRole.rawValue`.
  let streams: [Stream]

  struct Stream: Sendable {
    /// Indices into the chunk table; empty where the type has no such stream.
    let chunks: Range<Int>
    let hash: VQ4Hash
    /// Whether every chunk is raw, so that the stream is contiguous in the file.
    let isRaw: Bool
  }

  package var name: String { description.name }
}

/// Where a chunk lies; copied from the file, which may change under a mapping.
struct VQ4Chunk: Sendable {
  let offset: Int
  let storedBytes: Int
  let rawBytes: Int
  let hash: UInt64
  let codec: VQ4Codec
}

/// A named blob of a file: configuration, tokenizer, recipe and the like.
package struct VQ4Attachment: Sendable {
  package let name: String
  /// Decoded bytes.
  package let byteCount: Int
  /// Bytes in the file.
  package let fileRange: Range<Int>
  package let codec: VQ4Codec
  let storedHash: VQ4Hash
  let rawHash: VQ4Hash
}

/// Everything that the tables of a file say, checked.
struct VQ4Directory: Sendable {
  var groups: [VQ4Group] = []
  var tensors: [VQ4Tensor] = []
  var chunks: [VQ4Chunk] = []
  var attachments: [VQ4Attachment] = []
  var tensorIndices: [String: Int] = [:]
}

extension VQ4Directory {
  /// The hash of what the file means, whatever its storage layout.
  func contentHash() throws(VQ4Error) -> VQ4Hash {
    let hasher = try StreamHasher()
    var encoder = ByteEncoder()
    func append(name: String) {
      encoder.append(UInt32(name.utf8.count))
      encoder.append(name.utf8)
    }
    for group in groups {
      append(name: group.name)
      encoder.append(UInt32(group.tensors.count))
    }
    for tensor in tensors {
      append(name: tensor.name)
      TensorRecord(tensor.description, name: NameReference(offset: 0, length: 0), streams: [])
        .encodeDescription(to: &encoder)
      for stream in tensor.streams { encoder.append(stream.hash) }
    }
    for attachment in attachments {
      append(name: attachment.name)
      encoder.append(UInt64(attachment.byteCount))
      encoder.append(attachment.rawHash)
    }
    hasher.update(encoder.bytes)
    return hasher.value
  }
}
