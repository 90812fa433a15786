import VQ4Format

// Tensors of `TestModel.small`: 0 table int8, 1 vector f32, 2 tiles int4, 3 tiles int8,
// 4 tiles f16, 5 vector bf16. Chunks: 0 and 1 of tensor 0; 2; 3 to 5; 6 and 7; 8; 9.

extension Fault {
  /// Faults of the tables, behind correct hashes; found on opening.
  static let tableFaults: [Fault] = nameFaults + tensorFaults + chunkFaults + attachmentFaults

  private static func tables(
    _ description: String, _ code: VQ4Error.Code,
    _ edit: @escaping @Sendable (inout EditableFile) -> Void
  ) -> Fault {
    Fault(description, code, tables: edit)
  }

  private static let nameFaults: [Fault] = [
    tables("name with a NUL", .invalidName) { $0.tables[0][3] = 0 },
    tables("name with a space", .invalidName) { $0.tables[0][3] = 0x20 },
    tables("name with a quotation mark", .invalidName) { $0.tables[0][3] = 0x22 },
    tables("name that is not UTF-8", .invalidName) { $0.tables[0][3] = 0xFF },
    tables("name of a control character", .invalidName) { $0.tables[0][3] = 0x1B },
    tables("empty name", .invalidName) { $0[.groups, 0, 4, 4] = 0 },
    tables("name of 256 bytes", .invalidName) { file in
      file.tables[0].insert(contentsOf: repeatElement(0x61, count: 256), at: 0)
      file[.groups, 0, 4, 4] = 256
    },
    tables("name off its place", .stringPool) { $0[.groups, 0, 0, 4] = 1 },
    tables("name past the pool", .stringPool) { $0[.groups, 0, 4, 4] = 0xFFFF_FFFF },
    tables("name offset past the pool", .stringPool) { $0[.tensors, 0, 0, 4] = 0xFFFF_FFFF },
    tables("bytes without a name", .stringPool) { $0.tables[0].append(0x61) },
    tables("two tensors of one name", .duplicateName) { file in
      let first = file[.tensors, 1, 0, 4]
      let second = file[.tensors, 3, 0, 4]
      file[.tensors, 2, 4, 4] += file[.tensors, 3, 4, 4] - file[.tensors, 1, 4, 4]
      file[.tensors, 3, 0, 4] = second + file[.tensors, 3, 4, 4] - file[.tensors, 1, 4, 4]
      file[.tensors, 3, 4, 4] = file[.tensors, 1, 4, 4]
      for index in 0..<file[.tensors, 1, 4, 4] {
        file.tables[0][file[.tensors, 3, 0, 4] + index] = file.tables[0][first + index]
      }
    },
    tables("two groups of one name", .duplicateName) { file in
      let name = Array(file.tables[0][file[.groups, 1, 0, 4]...].prefix(8))
      let start = file[.groups, 2, 0, 4]
      file.tables[0].replaceSubrange(start..<start + 4, with: name)
      file[.groups, 2, 4, 4] = 8
      for row in [5] { file[.tensors, row, 0, 4] += 4 }
      for row in 0..<3 { file[.attachments, row, 0, 4] += 4 }
    },
    tables("group that skips a tensor", .groupRange) { $0[.groups, 1, 8, 4] = 2 },
    tables("group without tensors", .groupRange) { $0[.groups, 0, 12, 4] = 0 },
    tables("group past the last tensor", .groupRange) { $0[.groups, 2, 12, 4] = 0xFFFF_FFFF },
    tables("tensors without a group", .groupRange) {
      $0[.groups, 2, 12, 4] = 1
      $0.tables[2] += $0.tables[2].suffix(160)
    },
    tables("group off its page", .groupMisaligned) { $0[.groups, 1, 16, 8] += 64 },
    tables("group offset near 2^64", .groupMisaligned) { $0[.groups, 1, 16, 8] = -512 },
    tables("size of a group", .groupSizeBytes) { $0[.groups, 1, 24, 8] -= 1 },
    tables("half a row of groups", .sectionSize) { $0.tables[1].removeLast(16) },
    tables("half a row of tensors", .sectionSize) { $0.tables[2].append(0) },
    tables("half a row of chunks", .sectionSize) { $0.tables[3].removeLast() },
    tables("half a row of attachments", .sectionSize) { $0.tables[4].removeLast(8) },
    tables("too many groups", .tooMany) { $0.tables[1] += [UInt8](repeating: 0, count: 32 << 12) },
    tables("too many tensors", .tooMany) {
      $0.tables[2] += [UInt8](repeating: 0, count: 160 << 16)
    },
    tables("too many chunks", .tooMany) { file in
      let row = file.tables[3].prefix(32)
      file.tables[3] = []
      file.tables[3].reserveCapacity(32 << 20)
      for _ in 0...1 << 20 { file.tables[3] += row }
    },
    tables("too many attachments", .tooMany) {
      $0.tables[4] += [UInt8](repeating: 0, count: 72 * 62)
    },
  ]

  private static let tensorFaults: [Fault] = [
    tables("element type 0", .unknownElementType) { $0[.tensors, 1, 8, 1] = 0 },
    tables("element type 6", .unknownElementType) { $0[.tensors, 1, 8, 1] = 6 },
    tables("layout 3", .unknownLayout) { $0[.tensors, 1, 9, 1] = 3 },
    tables("rank 0", .badRank) { $0[.tensors, 1, 10, 1] = 0 },
    tables("rank 6", .badRank) { $0[.tensors, 1, 10, 1] = 6 },
    tables("rank 255", .badRank) { $0[.tensors, 1, 10, 1] = 255 },
    tables("table of rank 1", .badRank) { file in
      file[.tensors, 0, 10, 1] = 1
      file[.tensors, 0, 20, 4] = 0
    },
    tables("axis of length 0", .badDimension) { $0[.tensors, 2, 16, 4] = 0 },
    tables("axis of 2^31", .badDimension) { $0[.tensors, 1, 16, 4] = 1 << 31 },
    tables("axis beyond the rank", .reservedNotZero) { $0[.tensors, 1, 20, 4] = 1 },
    tables("product of axes past 2^64", .shapeOverflow) { file in
      file[.tensors, 5, 10, 1] = 5
      for axis in 0..<5 { file[.tensors, 5, 16 + 4 * axis, 4] = 0x7FFF_FFFF }
    },
    tables("product of axes past 2^40", .shapeOverflow) { file in
      file[.tensors, 5, 16, 4] = 1 << 21
      file[.tensors, 5, 20, 4] = 1 << 20
    },
    tables("row too long for a tile", .shapeOverflow) { $0[.tensors, 2, 20, 4] = 1 << 21 },
    tables("quantized vector", .typeForLayout) { file in
      file[.tensors, 1, 8, 1] = 4
      file[.tensors, 1, 12, 2] = 32
    },
    tables("group size 48", .badGroupSize) { $0[.tensors, 0, 12, 2] = 48 },
    tables("group size 0", .badGroupSize) { $0[.tensors, 0, 12, 2] = 0 },
    tables("group size that does not divide the row", .badGroupSize) {
      $0[.tensors, 0, 12, 2] = 128
    },
    tables("group size 16 for int8", .badGroupSize) { $0[.tensors, 0, 12, 2] = 16 },
    tables("group size of a float", .badGroupSize) { $0[.tensors, 1, 12, 2] = 32 },
    tables("codebook entry -128", .badCodebook) { $0[.tensors, 2, 40, 1] = 0x80 },
    tables("codebook of int8", .badCodebook) { $0[.tensors, 0, 36, 1] = 1 },
    tables("reserved byte 11 of a tensor", .reservedNotZero) { $0[.tensors, 0, 11, 1] = 1 },
    tables("reserved byte 15 of a tensor", .reservedNotZero) { $0[.tensors, 0, 15, 1] = 1 },
    tables("reserved byte 63 of a tensor", .reservedNotZero) { $0[.tensors, 0, 63, 1] = 1 },
    tables("codes one byte short", .codesSize) { $0[.tensors, 0, 72, 8] -= 1 },
    tables("more rows than codes", .codesSize) { $0[.tensors, 0, 16, 4] = 4 },
    tables("scales one byte long", .scalesSize) { $0[.tensors, 0, 104, 8] += 1 },
    tables("no superscales", .scalesSize) { $0[.tensors, 2, 136, 8] = 0 },
    tables("scales of a float", .scalesSize) { $0[.tensors, 1, 104, 8] = 4 },
    tables("hash of an absent stream", .reservedNotZero) { $0[.tensors, 1, 112, 1] = 1 },
    tables("chunk of an absent stream", .reservedNotZero) { $0[.tensors, 1, 100, 4] = 1 },
    tables("two streams on the same chunk", .chunkIndex) { $0[.tensors, 3, 64, 4] = 3 },
    tables("first chunk past the table", .chunkIndex) { $0[.tensors, 0, 64, 4] = 0xFFFF_FFFF },
    tables("chunks of no stream", .chunkIndex) { $0.tables[3] += $0.tables[3].suffix(32) },
    tables("two chunks where one is enough", .chunkCount) { $0[.tensors, 0, 68, 4] = 2 },
    tables("no chunk", .chunkCount) { $0[.tensors, 0, 68, 4] = 0 },
    tables("chunk table too short", .chunkCount) { $0.tables[3].removeLast(32) },
  ]

  private static let chunkFaults: [Fault] = [
    tables("decoded size of a chunk", .chunkRawSize) { $0[.chunks, 3, 12, 4] += 1 },
    tables("decoded size of 4 GiB", .chunkRawSize) { $0[.chunks, 6, 12, 4] = 0xFFFF_FFFF },
    tables("stored size of a raw chunk", .chunkStoredSize) { $0[.chunks, 0, 8, 4] -= 1 },
    tables("stored size 0", .chunkStoredSize) { $0[.chunks, 6, 8, 4] = 0 },
    tables("frame not smaller than its content", .chunkStoredSize) {
      $0[.chunks, 6, 8, 4] = $0[.chunks, 6, 12, 4]
    },
    tables("chunk inside the one before", .chunkOverlap) { $0[.chunks, 1, 0, 8] -= 64 },
    tables("chunk at the start of the file", .chunkOverlap) { $0[.chunks, 1, 0, 8] = 0 },
    tables("hole before a chunk", .chunkHole) { $0[.chunks, 1, 0, 8] += 64 },
    tables("chunk offset near 2^64", .chunkHole) { $0[.chunks, 1, 0, 8] = -64 },
    tables("last chunk past the payload", .sectionOutOfBounds) { file in
      file[.tensors, 5, 16, 4] = 1_000
      file[.tensors, 5, 72, 8] = 6_000
      file[.chunks, 9, 8, 4] = 6_000
      file[.chunks, 9, 12, 4] = 6_000
    },
    tables("codec 3", .unknownCodec) { $0[.chunks, 0, 24, 1] = 3 },
    tables("planes not smaller than their content", .chunkStoredSize) {
      $0[.chunks, 0, 24, 1] = 2
    },
    tables("planes of stored size 0", .chunkStoredSize) { file in
      file[.chunks, 6, 24, 1] = 2
      file[.chunks, 6, 8, 4] = 0
    },
    tables("planes of an odd size", .chunkOddSize) { file in
      file[.chunks, 6, 24, 1] = 2
      file[.chunks, 6, 12, 4] -= 1
    },
    tables("planes of an even size that is not the stream's", .chunkRawSize) { file in
      file[.chunks, 6, 24, 1] = 2
      file[.chunks, 6, 12, 4] -= 2
    },
    tables("reserved byte of a chunk", .reservedNotZero) { $0[.chunks, 0, 31, 1] = 1 },
    Fault("payload longer than its streams", .sectionHole) { file in
      file.blobs.insert([1], at: 0)
      file.tables[4] = file.tables[4].prefix(72) + file.tables[4]
      file[.attachments, 0, 24, 8] = 1
      file[.attachments, 0, 32, 1] = 0
    } superblock: { superblock in
      let blobs = EditableFile.number(superblock, 64, 8)
      put(&superblock, 56, 8, blobs + 1 - 512)
      put(&superblock, 64, 8, blobs + 64)
      put(&superblock, 72, 8, EditableFile.number(superblock, 72, 8) - 64)
    },
  ]

  private static let attachmentFaults: [Fault] = [
    tables("attachments unsorted", .attachmentOrder) { file in
      let start = file[.attachments, 0, 0, 4]
      file.tables[0][start] = UInt8(ascii: "z")
    },
    tables("two attachments of one name", .duplicateName) { file in
      let start = file[.attachments, 1, 0, 4]
      file.tables[0].replaceSubrange(start..<start + 7, with: Array("configuration".utf8))
      file[.attachments, 1, 4, 4] = 13
      file[.attachments, 2, 0, 4] += 6
    },
    tables("attachment off its place", .attachmentPlace) { $0[.attachments, 1, 8, 8] += 64 },
    tables("attachment in the superblock", .attachmentPlace) { $0[.attachments, 0, 8, 8] = 0 },
    tables("attachment past its region", .attachmentPlace) { file in
      file[.attachments, 2, 16, 8] += 1_000
      file[.attachments, 2, 24, 8] += 1_000
    },
    tables("region longer than its attachments", .attachmentPlace) { file in
      file[.attachments, 2, 16, 8] -= 1
      file[.attachments, 2, 24, 8] -= 1
    },
    tables("attachment of 2^63 bytes", .attachmentSize) { $0[.attachments, 1, 24, 8] = .min },
    tables("attachment past the limit", .attachmentSize) {
      $0[.attachments, 1, 24, 8] = (1 << 26) + 1
    },
    tables("stored size near 2^64", .attachmentSize) { $0[.attachments, 1, 16, 8] = -1 },
    tables("frame larger than its content", .attachmentSize) { $0[.attachments, 1, 24, 8] = 3 },
    tables("raw attachment of two sizes", .attachmentSize) { $0[.attachments, 2, 24, 8] += 1 },
    tables("codec of an attachment", .unknownCodec) { $0[.attachments, 0, 32, 1] = 7 },
    tables("planes in an attachment", .unknownCodec) { $0[.attachments, 1, 32, 1] = 2 },
    tables("reserved byte of an attachment", .reservedNotZero) { $0[.attachments, 0, 39, 1] = 1 },
  ]
}
