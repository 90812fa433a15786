import VARJSON

/// The tables of a file, in the order in which they stand.
enum SectionKind: UInt32, CaseIterable {
  case strings = 1
  case groups = 2
  case tensors = 3
  case chunks = 4
  case attachments = 5

  var name: String { "table \"\(self)\"" }
}

/// Where a table lies, and its hash.
struct Section: Equatable {
  var offset: Int
  var size: Int
  var hash: VQ4Hash
}

/// The first 512 bytes of a file; the same bytes stand at its end as the mark of completeness.
struct Superblock: Equatable {
  var majorVersion = Format.majorVersion
  var minorVersion = Format.minorVersion
  var incompatibleFeatures: UInt64 = 0
  var compatibleFeatures: UInt64 = 0
  var fileBytes = 0
  var pageShift = 16
  var payloadOffset = 0
  var payloadBytes = 0
  var blobsOffset = 0
  var blobsBytes = 0
  /// Indexed by `SectionKind.rawValue - 1`.
  var sections: [Section] = []
  var contentHash = VQ4Hash.zero

  subscript(kind: SectionKind) -> Section { sections[Int(kind.rawValue) - 1] }

  static let checksumOffset = VQ4Limits.superblockBytes - 16

  func encoded() -> [UInt8] {
    var encoder = ByteEncoder()
    encoder.append(Format.magic)
    encoder.append(majorVersion)
    encoder.append(minorVersion)
    encoder.append(Format.byteOrderMark)
    encoder.append(incompatibleFeatures)
    encoder.append(compatibleFeatures)
    encoder.append(UInt64(fileBytes))
    encoder.append(UInt64(pageShift))
    for value in [payloadOffset, payloadBytes, blobsOffset, blobsBytes] {
      encoder.append(UInt64(value))
    }
    encoder.append(UInt32(sections.count))
    encoder.append(UInt32(0))
    for (kind, section) in zip(SectionKind.allCases, sections) {
      encoder.append(kind.rawValue)
      encoder.append(UInt32(0))
      encoder.append(UInt64(section.offset))
      encoder.append(UInt64(section.size))
      encoder.append(section.hash)
    }
    encoder.append(contentHash)
    encoder.pad(to: Self.checksumOffset)
    encoder.append(encoder.bytes.withUnsafeBytes { VQ4Hash(of: $0) })
    return encoder.bytes
  }
}

extension Superblock {
  private static let place = "superblock"

  /// Reads and checks both superblocks and the placement of every region.
  ///
  /// - Parameters:
  ///   - first: the first `superblockBytes` of the file, or all where it has fewer.
  ///   - last: the last ones.
  ///   - byteCount: bytes of the file.
  init(
    first: UnsafeRawBufferPointer, last: UnsafeRawBufferPointer, byteCount: Int
  ) throws(VQ4Error) {
    try Self.checkIdentity(first, byteCount)
    do {
      self = try Superblock(checked: first)
      try checkFileSize(byteCount)
      try Self.checkCopy(first, last, at: byteCount - VQ4Limits.superblockBytes)
      try checkPlacement()
    } catch {
      throw error.at(Self.place)
    }
  }

  /// Checks the parts that every version keeps: magic, byte order, checksum.
  private static func checkIdentity(
    _ first: UnsafeRawBufferPointer, _ byteCount: Int
  ) throws(VQ4Error) {
    let start = Array(first.prefix(8))
    if start != Format.magic { throw magicError(first, start) }
    guard byteCount >= 2 * VQ4Limits.superblockBytes else { throw tooShort(byteCount) }
    var decoder = ByteDecoder(first.part(12, 4))
    let mark: UInt32 = decoder.next()
    guard mark != Format.byteOrderMark.byteSwapped else {
      throw VQ4Error(.byteOrder, "the numbers of the file are big-endian", remedy: .convertAgain)
        .atOffset(12).at(place)
    }
    var checksum = ByteDecoder(first.part(checksumOffset, 16))
    guard VQ4Hash(of: first.part(0, checksumOffset)) == checksum.nextHash() else {
      throw VQ4Error(.superblockChecksum, "the checksum does not match")
        .atOffset(checksumOffset).at(place)
    }
  }

  private static func magicError(
    _ first: UnsafeRawBufferPointer, _ start: [UInt8]
  ) -> VQ4Error {
    let textMode: [[UInt8]] = [
      [0x89, 0x56, 0x51, 0x34, 0x0A, 0x1A, 0x0A], [0x89, 0x56, 0x51, 0x34, 0x0D, 0x0D, 0x0A],
      [0x89, 0x56, 0x51, 0x34, 0x0D, 0x0A, 0x1A, 0x0D], [0x09, 0x56, 0x51, 0x34],
    ]
    if textMode.contains(where: { start.starts(with: $0) }) {
      return VQ4Error(.textModeTransfer, "the file was changed by a transfer in text mode")
        .atOffset(0).at(place)
    }
    if first.firstNonZero == nil {
      return VQ4Error(.incomplete, "the file was never finished", remedy: .convertAgain)
        .atOffset(0).at(place)
    }
    if Format.magic.starts(with: start) { return tooShort(first.count) }
    if let foreign = ForeignContent(of: first) {
      return VQ4Error(.wrongMagic, foreign.description, remedy: .none)
    }
    return VQ4Error(.wrongMagic, "this is not a .vq4 file", remedy: .checkPath)
      .atOffset(0).at(place)
  }

  private static func tooShort(_ count: Int) -> VQ4Error {
    VQ4Error(
      .tooShort, "the file is shorter than its two superblocks",
      expected: "at least \(VQ4Error.bytes(2 * VQ4Limits.superblockBytes))",
      found: VQ4Error.bytes(count)
    ).at(place)
  }

  private init(checked bytes: UnsafeRawBufferPointer) throws(VQ4Error) {
    var decoder = ByteDecoder(bytes)
    _ = decoder.next(UInt64.self)
    majorVersion = decoder.next()
    minorVersion = decoder.next()
    guard majorVersion == Format.majorVersion else {
      throw VQ4Error(
        .unsupportedVersion, "the format version is not known", expected: "\(Format.majorVersion)",
        found: "\(majorVersion)", remedy: .update
      ).atOffset(8)
    }
    guard decoder.next(UInt32.self) == Format.byteOrderMark else {
      throw VQ4Error(.byteOrder, "the byte order mark is wrong", remedy: .convertAgain).atOffset(12)
    }
    incompatibleFeatures = decoder.next()
    guard incompatibleFeatures & ~Format.knownIncompatibleFeatures == 0 else {
      throw VQ4Error(
        .unknownFeature, "the file needs features that are not known",
        found: "bits 0x" + String(incompatibleFeatures, radix: 16), remedy: .update
      ).atOffset(16)
    }
    compatibleFeatures = decoder.next()
    fileBytes = try Self.nextSize(&decoder)
    let shift: UInt8 = decoder.next()
    guard VQ4Limits.pageShifts.contains(Int(shift)) else {
      throw VQ4Error(
        .badPageShift, "the group alignment is out of range", expected: "9 to 16",
        found: "\(shift)", remedy: .convertAgain
      ).atOffset(40)
    }
    pageShift = Int(shift)
    try decoder.expectZeros(7)
    payloadOffset = try Self.nextSize(&decoder)
    payloadBytes = try Self.nextSize(&decoder)
    blobsOffset = try Self.nextSize(&decoder)
    blobsBytes = try Self.nextSize(&decoder)
    guard decoder.next(UInt32.self) == UInt32(SectionKind.allCases.count) else {
      throw VQ4Error(
        .badSectionTable, "the number of tables is wrong",
        expected: "\(SectionKind.allCases.count)", remedy: .convertAgain
      ).atOffset(80)
    }
    try decoder.expectZeros(4)
    for kind in SectionKind.allCases {
      sections.append(try Self.nextSection(&decoder, kind))
    }
    contentHash = decoder.nextHash()
    try decoder.expectZeros(Self.checksumOffset - decoder.position)
  }

  private static func nextSection(
    _ decoder: inout ByteDecoder, _ kind: SectionKind
  ) throws(VQ4Error) -> Section {
    let position = decoder.position
    guard decoder.next(UInt32.self) == kind.rawValue else {
      throw VQ4Error(
        .badSectionTable, "the tables are not in their order", expected: "\(kind)",
        remedy: .convertAgain
      ).atOffset(position)
    }
    try decoder.expectZeros(4)
    let offset = try nextSize(&decoder)
    let size = try nextSize(&decoder)
    return Section(offset: offset, size: size, hash: decoder.nextHash())
  }

  /// An offset or a size; the limit keeps every later sum of a few of them far from overflow.
  private static func nextSize(_ decoder: inout ByteDecoder) throws(VQ4Error) -> Int {
    let position = decoder.position
    let value: UInt64 = decoder.next()
    guard value <= UInt64(VQ4Limits.maximumFileBytes) else {
      throw VQ4Error(
        .sectionWraps, "an offset or a size is larger than the format allows",
        expected: "at most \(VQ4Limits.maximumFileBytes)", found: "\(value)", remedy: .convertAgain
      ).atOffset(position)
    }
    return Int(value)
  }

  private func checkFileSize(_ actualBytes: Int) throws(VQ4Error) {
    if actualBytes < fileBytes {
      throw VQ4Error(
        .truncated, "the file is cut short", expected: VQ4Error.bytes(fileBytes),
        found: VQ4Error.bytes(actualBytes))
    }
    if actualBytes > fileBytes {
      throw VQ4Error(
        .trailingBytes, "bytes follow the end of the file", expected: VQ4Error.bytes(fileBytes),
        found: VQ4Error.bytes(actualBytes)
      ).atOffset(fileBytes)
    }
  }

  private static func checkCopy(
    _ first: UnsafeRawBufferPointer, _ copy: UnsafeRawBufferPointer, at offset: Int
  ) throws(VQ4Error) {
    if copy.firstNonZero == nil {
      throw VQ4Error(.incomplete, "the copy at the end was never written", remedy: .convertAgain)
        .atOffset(offset)
    }
    guard first.elementsEqual(copy) else {
      throw VQ4Error(.superblocksDiffer, "the copy at the end differs from the start")
        .atOffset(offset)
    }
  }

  /// Every region has exactly one allowed place, so neither overlaps nor holes can exist.
  private func checkPlacement() throws(VQ4Error) {
    let alignment = VQ4Limits.streamAlignment
    let page = 1 << pageShift
    var end = VQ4Limits.superblockBytes
    try checkRegion("payload", payloadOffset, payloadBytes, Format.aligned(end, to: page))
    end = payloadOffset + payloadBytes
    try checkRegion("attachments", blobsOffset, blobsBytes, Format.aligned(end, to: alignment))
    end = blobsOffset + blobsBytes
    for (kind, section) in zip(SectionKind.allCases, sections) {
      try checkRegion(
        kind.name, section.offset, section.size, Format.aligned(end, to: alignment))
      end = section.offset + section.size
    }
    let copyOffset = Format.aligned(end, to: alignment)
    guard copyOffset + VQ4Limits.superblockBytes == fileBytes else {
      throw VQ4Error(
        .sectionHole, "the tables do not end where the last superblock starts",
        expected: "\(fileBytes - VQ4Limits.superblockBytes)", found: "\(copyOffset)",
        remedy: .convertAgain)
    }
  }

  private func checkRegion(
    _ name: String, _ offset: Int, _ size: Int, _ expectedOffset: Int
  ) throws(VQ4Error) {
    guard offset >= VQ4Limits.superblockBytes else {
      throw VQ4Error(
        .sectionInSuperblock, "it starts inside the superblock", found: "\(offset)",
        remedy: .convertAgain
      ).at(name)
    }
    let limit = fileBytes - VQ4Limits.superblockBytes
    guard offset <= limit, size <= limit - offset else {
      throw VQ4Error(
        .sectionOutOfBounds,
        "\(VQ4Error.bytes(size)) at offset \(VQ4Error.grouped(offset)) pass the end of the file",
        expected: "at most \(VQ4Error.bytes(limit))", remedy: .convertAgain
      ).at(name)
    }
    guard offset == expectedOffset else {
      throw VQ4Error(
        offset < expectedOffset ? .sectionOverlap : .sectionHole, "it is not at its place",
        expected: "\(expectedOffset)", remedy: .convertAgain
      ).atOffset(offset).at(name)
    }
  }
}
