/// Reads the tables of a file and checks every rule on them.
///
/// Each row is copied before it is checked, so that a file that changes under its mapping cannot
/// pass a check with one value and be used with another.
struct DirectoryReader {
  private let file: FileView
  private let superblock: Superblock
  private var directory = VQ4Directory()
  private var nameEnd = 0
  private var nextChunk = 0
  private var payloadEnd: Int

  static func read(
    _ file: FileView, _ superblock: Superblock
  ) throws(VQ4Error) -> VQ4Directory {
    var reader = DirectoryReader(file, superblock)
    try reader.checkHashes()
    try reader.readChunkTable()
    try reader.readGroupsAndTensors()
    try reader.readAttachments()
    try reader.checkEnds()
    return reader.directory
  }

  private init(_ file: FileView, _ superblock: Superblock) {
    self.file = file
    self.superblock = superblock
    payloadEnd = superblock.payloadOffset
  }

  private func bytes(of kind: SectionKind) -> UnsafeRawBufferPointer {
    file.part(superblock[kind].offset, superblock[kind].size)
  }

  private func checkHashes() throws(VQ4Error) {
    for kind in SectionKind.allCases
    where VQ4Hash(of: bytes(of: kind)) != superblock[kind].hash {
      throw VQ4Error(.sectionHash, "the hash does not match")
        .atOffset(superblock[kind].offset).at(kind.name)
    }
  }

  private func rowCount(
    _ kind: SectionKind, rowBytes: Int, limit: Int
  ) throws(VQ4Error) -> Int {
    let size = superblock[kind].size
    guard size % rowBytes == 0 else {
      throw VQ4Error(
        .sectionSize, "the size is no whole number of rows", expected: "a multiple of \(rowBytes)",
        found: "\(size)", remedy: .convertAgain
      ).at(kind.name)
    }
    guard size / rowBytes <= limit else {
      throw VQ4Error(
        .tooMany, "more rows than the format allows", expected: "at most \(limit)",
        found: "\(size / rowBytes)", remedy: .convertAgain
      ).at(kind.name)
    }
    return size / rowBytes
  }

  /// Names stand one after the other in the order in which the tables refer to them.
  private mutating func name(
    _ reference: NameReference, _ place: String
  ) throws(VQ4Error) -> String {
    let pool = bytes(of: .strings)
    guard Int(reference.offset) == nameEnd, Int(reference.length) <= pool.count - nameEnd else {
      throw VQ4Error(
        .stringPool, "the name is not at its place in the string pool",
        expected: "offset \(nameEnd)", found: "offset \(reference.offset)", remedy: .convertAgain
      ).at(place)
    }
    let bytes = Array(pool.part(nameEnd, Int(reference.length)))
    nameEnd += bytes.count
    guard (1...VQ4Limits.maximumNameBytes).contains(bytes.count),
      bytes.allSatisfy(Names.isAllowed)
    else {
      throw VQ4Error(
        .invalidName, "a name is not 1 to 255 printable ASCII characters", remedy: .convertAgain
      ).at(place)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func readChunkTable() throws(VQ4Error) {
    let count = try rowCount(
      .chunks, rowBytes: Format.chunkRecordBytes, limit: VQ4Limits.maximumChunks)
    var decoder = ByteDecoder(bytes(of: .chunks))
    directory.chunks.reserveCapacity(count)
    for index in 0..<count {
      do {
        directory.chunks.append(try Self.chunk(try ChunkRecord(&decoder)))
      } catch {
        throw error.at("chunk \(index)")
      }
    }
  }

  private static func chunk(_ record: ChunkRecord) throws(VQ4Error) -> VQ4Chunk {
    guard let codec = VQ4Codec(rawValue: record.codec) else {
      throw VQ4Error(
        .unknownCodec, "the codec is not known", found: "\(record.codec)", remedy: .update)
    }
    guard record.offset <= UInt64(VQ4Limits.maximumFileBytes) else {
      throw VQ4Error(
        .chunkHole, "the offset passes the end of the file", found: "\(record.offset)",
        remedy: .convertAgain)
    }
    let isSizeRight =
      switch codec {
      case .raw: record.storedBytes == record.rawBytes
      case .zstd, .zstdPlanes: record.storedBytes < record.rawBytes
      }
    guard record.storedBytes > 0, isSizeRight else {
      throw VQ4Error(
        .chunkStoredSize, "the stored size does not fit the codec",
        expected: "\(codec == .raw ? "" : "less than ")\(record.rawBytes)",
        found: "\(record.storedBytes)", remedy: .convertAgain)
    }
    guard codec != .zstdPlanes || record.rawBytes % 2 == 0 else {
      throw VQ4Error(
        .chunkOddSize, "an odd number of bytes has no two planes", expected: "an even number",
        found: "\(record.rawBytes)", remedy: .convertAgain)
    }
    return VQ4Chunk(
      offset: Int(record.offset), storedBytes: Int(record.storedBytes),
      rawBytes: Int(record.rawBytes), hash: record.hash, codec: codec)
  }

  private mutating func readGroupsAndTensors() throws(VQ4Error) {
    let groupCount = try rowCount(
      .groups, rowBytes: Format.groupRecordBytes, limit: VQ4Limits.maximumGroups)
    let tensorCount = try rowCount(
      .tensors, rowBytes: Format.tensorRecordBytes, limit: VQ4Limits.maximumTensors)
    var groupDecoder = ByteDecoder(bytes(of: .groups))
    var tensorDecoder = ByteDecoder(bytes(of: .tensors))
    var names = Set<String>()
    for index in 0..<groupCount {
      let record = GroupRecord(&groupDecoder)
      let name = try name(record.name, "group \(index)")
      let place = "group \"\(name)\""
      guard names.insert(name).inserted else {
        throw VQ4Error(.duplicateName, "the name stands twice", remedy: .convertAgain).at(place)
      }
      let first = directory.tensors.count
      guard Int(record.firstTensor) == first, record.tensorCount > 0,
        Int(record.tensorCount) <= tensorCount - first
      else {
        throw VQ4Error(
          .groupRange, "the tensors of the group do not follow the last group's",
          expected: "\(first)", found: "\(record.firstTensor)", remedy: .convertAgain
        ).at(place)
      }
      payloadEnd = Format.aligned(payloadEnd, to: 1 << superblock.pageShift)
      guard record.offset == UInt64(payloadEnd) else {
        throw VQ4Error(
          .groupMisaligned, "the group is not at its aligned place",
          expected: "offset \(payloadEnd)", found: "offset \(record.offset)", remedy: .convertAgain
        ).at(place)
      }
      let start = payloadEnd
      for _ in 0..<record.tensorCount { try readTensor(&tensorDecoder, group: index) }
      guard record.byteCount == UInt64(payloadEnd - start) else {
        throw VQ4Error(
          .groupSizeBytes, "the size of the group is not that of its streams",
          expected: VQ4Error.bytes(payloadEnd - start), found: "\(record.byteCount)",
          remedy: .convertAgain
        ).at(place)
      }
      directory.groups.append(
        VQ4Group(
          name: name, tensors: first..<directory.tensors.count, fileRange: start..<payloadEnd))
    }
    guard directory.tensors.count == tensorCount else {
      throw VQ4Error(
        .groupRange, "tensors that belong to no group", expected: "\(directory.tensors.count)",
        found: "\(tensorCount)", remedy: .convertAgain
      ).at(SectionKind.tensors.name)
    }
    guard payloadEnd == superblock.payloadOffset + superblock.payloadBytes else {
      throw VQ4Error(
        .sectionHole, "the streams do not end with their region", expected: "\(payloadEnd)",
        found: "\(superblock.payloadOffset + superblock.payloadBytes)", remedy: .convertAgain
      ).at("payload")
    }
  }

  private mutating func readTensor(
    _ decoder: inout ByteDecoder, group: Int
  ) throws(VQ4Error) {
    let index = directory.tensors.count
    let record: TensorRecord
    do {
      record = try TensorRecord(&decoder)
    } catch {
      throw error.at("tensor \(index)")
    }
    let name = try name(record.name, "tensor \(index)")
    do throws(VQ4Error) {
      guard directory.tensorIndices.updateValue(index, forKey: name) == nil else {
        throw VQ4Error(.duplicateName, "the name stands twice", remedy: .convertAgain)
      }
      let description = try record.description(named: name)
      var streams: [VQ4Tensor.Stream] = []
      for role in VQ4StreamRole.allCases {
        do {
          streams.append(
            try readStream(record.streams[Int(role.rawValue)], role, description))
        } catch {
          throw error.at("\(role)")
        }
      }
      directory.tensors.append(
        VQ4Tensor(description: description, group: group, streams: streams))
    } catch {
      throw error.place.hasPrefix("tensor") ? error : error.at("tensor \"\(name)\"")
    }
  }

  private mutating func readStream(
    _ record: StreamRecord, _ role: VQ4StreamRole, _ description: VQ4TensorDescription
  ) throws(VQ4Error) -> VQ4Tensor.Stream {
    let byteCount = description.byteCount(of: role)
    guard record.byteCount == UInt64(byteCount) else {
      throw VQ4Error(
        role == .codes ? .codesSize : .scalesSize,
        "the size is not that of the type, shape and group size",
        expected: VQ4Error.bytes(byteCount), found: "\(record.byteCount)",
        remedy: .convertAgain)
    }
    if byteCount == 0 {
      guard record == StreamRecord() else {
        throw VQ4Error(
          .reservedNotZero, "an absent stream has entries", remedy: .convertAgain)
      }
      return VQ4Tensor.Stream(chunks: 0..<0, hash: .zero, isRaw: true)
    }
    guard Int(record.firstChunk) == nextChunk else {
      throw VQ4Error(
        .chunkIndex, "the first chunk does not follow the last stream's",
        expected: "\(nextChunk)", found: "\(record.firstChunk)", remedy: .convertAgain)
    }
    let count = description.chunkCount(of: role)
    guard Int(record.chunkCount) == count, count <= directory.chunks.count - nextChunk else {
      throw VQ4Error(
        .chunkCount, "the number of chunks does not fit the size", expected: "\(count)",
        found: "\(min(Int(record.chunkCount), directory.chunks.count - nextChunk))",
        remedy: .convertAgain)
    }
    let range = nextChunk..<nextChunk + count
    nextChunk += count
    payloadEnd = Format.aligned(payloadEnd, to: VQ4Limits.streamAlignment)
    var remaining = byteCount
    for index in range {
      let rawBytes = min(remaining, description.chunkByteCount(of: role))
      try checkChunk(index, rawBytes)
      remaining -= rawBytes
    }
    return VQ4Tensor.Stream(
      chunks: range, hash: record.hash,
      isRaw: directory.chunks[range].allSatisfy { $0.codec == .raw })
  }

  private mutating func checkChunk(_ index: Int, _ rawBytes: Int) throws(VQ4Error) {
    let chunk = directory.chunks[index]
    let place = "chunk \(index)"
    guard chunk.rawBytes == rawBytes else {
      throw VQ4Error(
        .chunkRawSize, "the decoded size does not fit the stream",
        expected: VQ4Error.bytes(rawBytes), found: VQ4Error.bytes(chunk.rawBytes),
        remedy: .convertAgain
      ).at(place)
    }
    guard chunk.offset == payloadEnd else {
      throw VQ4Error(
        chunk.offset < payloadEnd ? .chunkOverlap : .chunkHole,
        "the chunk does not follow the one before", expected: "\(payloadEnd)", remedy: .convertAgain
      ).atOffset(chunk.offset).at(place)
    }
    let end = superblock.payloadOffset + superblock.payloadBytes
    guard chunk.offset <= end, chunk.storedBytes <= end - chunk.offset else {
      throw VQ4Error(
        .sectionOutOfBounds, "\(VQ4Error.bytes(chunk.storedBytes)) pass the end of the payload",
        expected: "at most \(end)", remedy: .convertAgain
      ).atOffset(chunk.offset).at(place)
    }
    payloadEnd += chunk.storedBytes
  }

  private mutating func readAttachments() throws(VQ4Error) {
    let count = try rowCount(
      .attachments, rowBytes: Format.attachmentRecordBytes,
      limit: VQ4Limits.maximumAttachments)
    var decoder = ByteDecoder(bytes(of: .attachments))
    var end = superblock.blobsOffset
    for index in 0..<count {
      do {
        try readAttachment(try AttachmentRecord(&decoder), &end)
      } catch {
        throw error.at("attachment \(index)")
      }
    }
    guard end == superblock.blobsOffset + superblock.blobsBytes else {
      throw VQ4Error(
        .attachmentPlace, "the attachments do not end with their region",
        expected: "\(superblock.blobsOffset + superblock.blobsBytes)", found: "\(end)",
        remedy: .convertAgain
      ).at(SectionKind.attachments.name)
    }
  }

  private mutating func readAttachment(
    _ record: AttachmentRecord, _ end: inout Int
  ) throws(VQ4Error) {
    let name = try name(record.name, "")
    if let last = directory.attachments.last?.name,
      !last.utf8.lexicographicallyPrecedes(name.utf8)
    {
      throw VQ4Error(
        last == name ? .duplicateName : .attachmentOrder,
        "\"\(name)\" does not follow \"\(last)\" in byte order", remedy: .convertAgain)
    }
    guard let codec = VQ4Codec(rawValue: record.codec), codec != .zstdPlanes else {
      throw VQ4Error(
        .unknownCodec, "the codec is none of attachments", found: "\(record.codec)",
        remedy: .update)
    }
    let isSizeRight =
      codec == .raw
      ? record.storedBytes == record.rawBytes
      : 0 < record.storedBytes && record.storedBytes < record.rawBytes
    guard isSizeRight, record.rawBytes <= UInt64(VQ4Limits.maximumAttachmentBytes) else {
      throw VQ4Error(
        .attachmentSize, "a size is out of range or does not fit the codec",
        expected: "at most \(VQ4Limits.maximumAttachmentBytes)", found: "\(record.rawBytes)",
        remedy: .convertAgain)
    }
    let offset = Format.aligned(end, to: VQ4Limits.streamAlignment)
    let limit = superblock.blobsOffset + superblock.blobsBytes
    let stored = Int(record.storedBytes)
    guard record.offset == UInt64(offset), offset <= limit, stored <= limit - offset else {
      throw VQ4Error(
        .attachmentPlace, "the attachment is not at its place",
        expected: "offset \(offset)", found: "offset \(record.offset)", remedy: .convertAgain)
    }
    end = offset + stored
    directory.attachments.append(
      VQ4Attachment(
        name: name, byteCount: Int(record.rawBytes), fileRange: offset..<end, codec: codec,
        storedHash: record.storedHash, rawHash: record.rawHash))
  }

  private func checkEnds() throws(VQ4Error) {
    guard nextChunk == directory.chunks.count else {
      throw VQ4Error(
        .chunkIndex, "chunks that belong to no stream", expected: "\(nextChunk)",
        found: "\(directory.chunks.count)", remedy: .convertAgain
      ).at(SectionKind.chunks.name)
    }
    guard nameEnd == superblock[.strings].size else {
      throw VQ4Error(
        .stringPool, "bytes that belong to no name", expected: "\(nameEnd)",
        found: "\(superblock[.strings].size)", remedy: .convertAgain
      ).at(SectionKind.strings.name)
    }
    guard try directory.contentHash() == superblock.contentHash else {
      throw VQ4Error(
        .contentHash, "the content hash is not that of the tables", remedy: .convertAgain
      ).at("superblock")
    }
  }
}
