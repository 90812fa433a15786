import VQ4Format

extension Fault {
  /// Faults of the superblock and of the placement of regions; found on opening.
  static let superblockFaults: [Fault] = [
    Fault("empty file", .emptyFile, bytes: { $0 = [] }),
    Fault("shorter than a superblock", .tooShort, bytes: { $0 = Array($0[..<300]) }),
    Fault("shorter than two superblocks", .tooShort, bytes: { $0 = Array($0[..<1_000]) }),
    Fault("shorter than the magic", .tooShort, bytes: { $0 = Array($0[..<5]) }),
    Fault("wrong magic", .wrongMagic, bytes: { $0[1] = 0x47 }),
    Fault("carriage returns removed", .textModeTransfer, bytes: { $0.remove(at: 4) }),
    Fault("carriage returns added", .textModeTransfer, bytes: { $0.insert(0x0D, at: 5) }),
    Fault("high bits removed", .textModeTransfer, bytes: { $0[0] = 0x09 }),
    Fault("later major version", .unsupportedVersion, superblock: { put(&$0, 8, 2, 2) }),
    Fault("unknown needed feature", .unknownFeature, superblock: { put(&$0, 16, 8, 1 << 63) }),
    Fault("superblock hash", .superblockChecksum, bytes: { $0[500] ^= 1 }),
    Fault("superblock field", .superblockChecksum, bytes: { $0[24] ^= 1 }),
    Fault("copy differs", .superblocksDiffer, bytes: { $0[$0.count - 100] ^= 1 }),
    Fault(
      "copy never written", .incomplete,
      bytes: { bytes in
        bytes.replaceSubrange(
          bytes.count - 512..<bytes.count, with: repeatElement(0, count: 512))
      }),
    Fault(
      "superblock never written", .incomplete,
      bytes: { bytes in
        bytes.replaceSubrange(..<512, with: repeatElement(0, count: 512))
      }),
    Fault("cut by one byte", .truncated, bytes: { $0.removeLast() }),
    Fault("cut in half", .truncated, bytes: { $0 = Array($0[..<($0.count / 2)]) }),
    Fault("one byte too many", .trailingBytes, bytes: { $0.append(0) }),
    Fault("big-endian writer", .byteOrder, superblock: { put(&$0, 12, 4, 0x0403_0201) }),
    Fault("no byte order", .byteOrder, superblock: { put(&$0, 12, 4, 0) }),
    Fault("page shift 0", .badPageShift, superblock: { put(&$0, 40, 1, 0) }),
    Fault("page shift 63", .badPageShift, superblock: { put(&$0, 40, 1, 63) }),
    Fault("page shift 255", .badPageShift, superblock: { put(&$0, 40, 1, 255) }),
    Fault("page shift of another alignment", .sectionOverlap, superblock: { put(&$0, 40, 1, 10) }),
    Fault("reserved byte 41", .reservedNotZero, superblock: { put(&$0, 41, 1, 1) }),
    Fault("reserved byte 495", .reservedNotZero, superblock: { put(&$0, 495, 1, 1) }),
    Fault("reserved number beside the count", .reservedNotZero, superblock: { put(&$0, 84, 4, 1) }),
    Fault("reserved number of a table", .reservedNotZero, superblock: { put(&$0, 92, 4, 1) }),
    Fault("six tables", .badSectionTable, superblock: { put(&$0, 80, 4, 6) }),
    Fault("tables in another order", .badSectionTable, superblock: { put(&$0, 88, 4, 2) }),
    Fault("payload in the superblock", .sectionInSuperblock, superblock: { put(&$0, 48, 8, 256) }),
    Fault("table in the superblock", .sectionInSuperblock, superblock: { put(&$0, 96, 8, 0) }),
    Fault("offset near 2^64", .sectionWraps, superblock: { put(&$0, 96, 8, -64) }),
    Fault("size near 2^64", .sectionWraps, superblock: { put(&$0, 104, 8, -1) }),
    Fault("file size near 2^64", .sectionWraps, superblock: { put(&$0, 32, 8, -1) }),
    Fault("payload size near 2^64", .sectionWraps, superblock: { put(&$0, 56, 8, -512) }),
    Fault("table past the end", .sectionOutOfBounds, superblock: { put(&$0, 96, 8, 1 << 30) }),
    Fault(
      "table longer than the file", .sectionOutOfBounds, superblock: { put(&$0, 104, 8, 1 << 30) }),
    Fault(
      "payload longer than the file", .sectionOutOfBounds,
      superblock: { put(&$0, 56, 8, 1 << 46) }),
    Fault(
      "tables overlap", .sectionOverlap,
      superblock: { superblock in
        put(&superblock, 136, 8, EditableFile.number(superblock, 96, 8))
      }),
    Fault(
      "hole before a table", .sectionHole,
      superblock: { superblock in
        put(&superblock, 96, 8, EditableFile.number(superblock, 96, 8) + 64)
      }),
    Fault(
      "hole before the copy", .sectionHole,
      superblock: { superblock in
        put(&superblock, 264, 8, EditableFile.number(superblock, 264, 8) - 72)
      }),
    Fault(
      "attachments off their place", .sectionHole,
      superblock: { superblock in
        put(&superblock, 64, 8, EditableFile.number(superblock, 64, 8) + 64)
      }),
    Fault("table hash", .sectionHash, superblock: { $0[112] ^= 1 }),
    Fault("content hash", .contentHash, superblock: { $0[288] ^= 1 }),
  ]
}
