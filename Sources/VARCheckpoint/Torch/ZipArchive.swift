/// The directory of a zip file, zip64 included; of its members only those that are stored as they are.
///
/// The central directory rules, as it does for every reader of such files; local headers must agree with it.
struct ZipArchive {
  struct Member: Equatable {
    let name: String
    /// Of the local header, which ends before the content.
    let headerOffset: Int
    /// Of the content in the file.
    let offset: Int
    let byteCount: Int
  }

  let file: InputFile
  /// In the order of their content.
  let members: [Member]
  private let indexByName: [String: Int]

  static let maximumMemberCount = 1 << 18
  static let maximumDirectoryByteCount = 16 << 20

  init(_ file: InputFile) throws(CheckpointError) {
    self.file = file
    let directory = try Directory(of: file)
    try HeaderMemory.require(directory.size, in: file.path)
    var members: [Member] = []
    var rest = LittleEndianBytes(try file.readBytes(from: directory.offset, count: directory.size))
    for _ in 0..<directory.memberCount {
      let entry = try Entry(rest, of: file)
      members.append(try entry.member(of: file, before: directory.offset))
      rest = LittleEndianBytes(rest.bytes.dropFirst(entry.byteCount))
    }
    guard rest.count == 0 else {
      throw Self.fault(file, "its directory has \(rest.count) bytes beyond the last member")
    }
    members.sort { $0.headerOffset < $1.headerOffset }
    for (member, next) in zip(members, members.dropFirst())
    where next.headerOffset < member.offset + member.byteCount {
      throw CheckpointError(
        .overlap, path: file.path, "members \(member.name) and \(next.name) share bytes")
    }
    var indexByName: [String: Int] = [:]
    for (index, member) in members.enumerated()
    where indexByName.updateValue(index, forKey: member.name) != nil {
      throw Self.fault(file, "two members have the name \(member.name)")
    }
    self.members = members
    self.indexByName = indexByName
  }

  subscript(name: String) -> Member? { indexByName[name].map { members[$0] } }

  /// A member's content.
  func content(of member: Member) throws(CheckpointError) -> [UInt8] {
    try file.readBytes(from: member.offset, count: member.byteCount)
  }

  fileprivate static func fault(_ file: InputFile, _ detail: String) -> CheckpointError {
    CheckpointError(
      .malformedArchive, path: file.path,
      "\(detail); the file is cut short or no zip archive, copy it again")
  }
}

/// Where the central directory lies.
private struct Directory {
  var offset: Int
  var size: Int
  var memberCount: Int

  private static let endByteCount = 22
  private static let locatorByteCount = 20
  private static let endSignature = 0x0605_4B50
  private static let locatorSignature = 0x0706_4B50
  private static let wideEndSignature = 0x0606_4B50
  private static let wideEndByteCount = 56

  init(of file: InputFile) throws(CheckpointError) {
    // The end record may be followed by a comment of 64 KiB, and a locator may stand before it.
    let tailByteCount = min(
      file.byteCount, Self.endByteCount + 0xFFFF + Self.locatorByteCount)
    let tailOffset = file.byteCount - tailByteCount
    let tail = LittleEndianBytes(try file.readBytes(from: tailOffset, count: tailByteCount))
    guard let end = Self.endRecord(tail) else {
      throw ZipArchive.fault(file, "it has no end of a zip directory")
    }
    memberCount = tail.number(at: end + 10, size: 2) ?? 0
    size = tail.number(at: end + 12, size: 4) ?? 0
    offset = tail.number(at: end + 16, size: 4) ?? 0
    var directoryEnd = tailOffset + end
    if memberCount == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
      let locator = end - Self.locatorByteCount
      guard tail.number(at: locator, size: 4) == Self.locatorSignature,
        let wideEnd = tail.number(at: locator + 8, size: 8),
        wideEnd <= file.byteCount - Self.wideEndByteCount
      else { throw ZipArchive.fault(file, "its zip64 directory cannot be found") }
      let record = LittleEndianBytes(
        try file.readBytes(from: wideEnd, count: Self.wideEndByteCount))
      guard record.number(at: 0, size: 4) == Self.wideEndSignature,
        let wideCount = record.number(at: 32, size: 8),
        let wideSize = record.number(at: 40, size: 8),
        let wideOffset = record.number(at: 48, size: 8)
      else { throw ZipArchive.fault(file, "its zip64 directory is malformed") }
      (memberCount, size, offset, directoryEnd) = (wideCount, wideSize, wideOffset, wideEnd)
    }
    guard memberCount <= ZipArchive.maximumMemberCount,
      size <= ZipArchive.maximumDirectoryByteCount
    else {
      throw ZipArchive.fault(
        file, "\(memberCount) members in a directory of \(size) bytes are more than are read")
    }
    guard offset <= directoryEnd, size <= directoryEnd - offset else {
      throw ZipArchive.fault(file, "its directory passes the end")
    }
  }

  /// The last place where an end record's comment ends with the file.
  private static func endRecord(_ tail: LittleEndianBytes) -> Int? {
    var position = tail.count - endByteCount
    while position >= 0 {
      if tail.number(at: position, size: 4) == endSignature,
        tail.number(at: position + 20, size: 2) == tail.count - endByteCount - position
      {
        return position
      }
      position -= 1
    }
    return nil
  }
}

/// One entry of the central directory.
private struct Entry {
  let name: String
  /// Bytes of the entry itself.
  let byteCount: Int
  private let nameBytes: ArraySlice<UInt8>
  private let headerOffset: Int
  private let contentByteCount: Int

  private static let fixedByteCount = 46
  private static let headerByteCount = 30
  private static let wideFieldID = 1
  private static let unknown32 = 0xFFFF_FFFF
  private static let sizeFollowsFlag = 8

  init(_ bytes: LittleEndianBytes, of file: InputFile) throws(CheckpointError) {
    let malformed = ZipArchive.fault(file, "a directory entry is malformed")
    guard bytes.number(at: 0, size: 4) == 0x0201_4B50, let flags = bytes.number(at: 8, size: 2),
      let method = bytes.number(at: 10, size: 2), var storedSize = bytes.number(at: 20, size: 4),
      var size = bytes.number(at: 24, size: 4), let nameCount = bytes.number(at: 28, size: 2),
      let extraCount = bytes.number(at: 30, size: 2),
      let commentCount = bytes.number(at: 32, size: 2), var offset = bytes.number(at: 42, size: 4),
      let nameBytes = bytes.part(Self.fixedByteCount, nameCount),
      let extra = bytes.part(Self.fixedByteCount + nameCount, extraCount),
      bytes.part(Self.fixedByteCount + nameCount + extraCount, commentCount) != nil,
      let name = String(validating: nameBytes, as: UTF8.self)
    else { throw malformed }
    // What does not fit 32 bits stands in an extra field, in this order.
    if size == Self.unknown32 || storedSize == Self.unknown32 || offset == Self.unknown32 {
      guard var wide = Self.wideField(LittleEndianBytes(extra)) else { throw malformed }
      func next(_ value: Int) throws(CheckpointError) -> Int {
        guard value == Self.unknown32 else { return value }
        guard let number = wide.number(at: 0, size: 8) else { throw malformed }
        wide = LittleEndianBytes(wide.bytes.dropFirst(8))
        return number
      }
      size = try next(size)
      storedSize = try next(storedSize)
      offset = try next(offset)
    }
    guard flags & 1 == 0 else {
      throw CheckpointError(
        .unsupportedFormat, path: file.path, "member \(name) is encrypted; decrypt the file first")
    }
    guard method == 0 else {
      throw CheckpointError(
        .unsupportedFormat, path: file.path,
        "member \(name) is compressed (method \(method)); PyTorch stores members as they are: "
          + "pack the archive again without compression (zip -0)")
    }
    guard storedSize == size else { throw malformed }
    self.name = name
    self.nameBytes = nameBytes
    byteCount = Self.fixedByteCount + nameCount + extraCount + commentCount
    headerOffset = offset
    contentByteCount = size
  }

  private static func wideField(_ extra: LittleEndianBytes) -> LittleEndianBytes? {
    var position = 0
    while let id = extra.number(at: position, size: 2),
      let count = extra.number(at: position + 2, size: 2)
    {
      guard let part = extra.part(position + 4, count) else { return nil }
      if id == wideFieldID { return LittleEndianBytes(part) }
      position += 4 + count
    }
    return nil
  }

  /// Reads the local header, which tells where the content begins.
  func member(of file: InputFile, before end: Int) throws(CheckpointError) -> ZipArchive.Member {
    let malformed = ZipArchive.fault(file, "the header of member \(name) is malformed")
    let (headerEnd, overflow) = headerOffset.addingReportingOverflow(
      Self.headerByteCount + nameBytes.count)
    guard !overflow, headerEnd <= end else { throw malformed }
    let header = LittleEndianBytes(
      try file.readBytes(from: headerOffset, count: headerEnd - headerOffset))
    guard header.number(at: 0, size: 4) == 0x0403_4B50,
      header.number(at: 26, size: 2) == nameBytes.count,
      header.part(Self.headerByteCount, nameBytes.count) == nameBytes,
      let flags = header.number(at: 6, size: 2), header.number(at: 8, size: 2) == 0,
      let size = header.number(at: 22, size: 4), let extraCount = header.number(at: 28, size: 2)
    else { throw malformed }
    // A size that is not known yet, or does not fit, stands elsewhere.
    guard flags & Self.sizeFollowsFlag != 0 || size == Self.unknown32 || size == contentByteCount
    else { throw malformed }
    let offset = headerEnd + extraCount
    guard offset <= end, contentByteCount <= end - offset else {
      throw CheckpointError(
        .invalidOffsets, path: file.path,
        "member \(name) (\(contentByteCount) bytes at \(offset)) passes the directory at \(end); "
          + "the file is damaged, copy it again")
    }
    return ZipArchive.Member(
      name: name, headerOffset: headerOffset, offset: offset, byteCount: contentByteCount)
  }
}
