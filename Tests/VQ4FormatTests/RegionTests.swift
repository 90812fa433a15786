import Testing
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A model that is a region of a larger file is read as a file of its own (VQ4-38).
@Suite struct RegionTests {
  private let folder = TemporaryDirectory()
  private var plain: String { folder.file("plain.vq4") }
  private var larger: String { folder.file("larger") }

  /// Writes a model, and a larger file in which other bytes stand before and behind it.
  ///
  /// - Returns: bytes of the model.
  private func embed(
    _ groups: [(name: String, tensors: [TestTensor])] = TestModel.small,
    layout: VQ4StorageLayout = .compact, at offset: Int
  ) throws -> Int {
    try TestModel.write(groups, to: plain, layout: layout)
    let model = try Fixtures.readFile(plain)
    let other = (0..<max(offset, 5_000)).map { UInt8(truncatingIfNeeded: $0 &* 37 >> 2) }
    folder.write("larger", other[..<offset] + model + other[..<5_000])
    return model.count
  }

  /// Begin with a page, a block, and neither.
  private static let offsets = [64, 4_096, 65_536, 100_032]

  @Test(arguments: VQ4StorageLayout.allCases, offsets)
  func everyByteIsThatOfTheFile(layout: VQ4StorageLayout, offset: Int) throws {
    let length = try embed(layout: layout, at: offset)
    let expected = try VQ4File(path: plain)
    let file = try VQ4File(path: larger, offset: offset, length: length)
    #expect(file.path == larger)
    #expect(file.byteCount == length)
    #expect(file.fileHash == expected.fileHash)
    // Read, then in place.
    for isMapped in [false, true] {
      #expect(file.isPayloadMapped == isMapped)
      try expectSameStreams(file, expected)
      #expect(try file.verify() == expected.verify())
      try file.mapWeights()
    }
    for group in file.groups.indices {
      file.readAhead(group: group)
      file.forgetPages(group: group)
    }
    try expectSameStreams(file, expected)
    for (name, bytes, inPlace) in TestModel.attachments {
      #expect(try file.attachment(name) == bytes)
      guard inPlace else { continue }
      let place = try #require(try file.attachmentInPlace(name))
      #expect(place.elementsEqual(bytes))
      #expect(Int(bitPattern: place.baseAddress) % 64 == 0)
    }
  }

  private func expectSameStreams(_ file: VQ4File, _ expected: VQ4File) throws {
    for tensor in expected.tensors.indices {
      for role in VQ4StreamRole.allCases {
        let bytes = try decoded(expected, tensor, role)
        #expect(try decoded(file, tensor, role) == bytes)
        guard file.isPayloadMapped, let raw = file.rawStream(tensor, role) else { continue }
        #expect(raw.elementsEqual(bytes))
        #expect(Int(bitPattern: raw.baseAddress) % 64 == 0)
        var end = Array(bytes.suffix(7))
        try end.withUnsafeMutableBytes {
          try file.readRawStream(tensor, role, at: bytes.count - $0.count, into: $0)
        }
        #expect(end == bytes.suffix(7))
      }
    }
  }

  private func decoded(_ file: VQ4File, _ tensor: Int, _ role: VQ4StreamRole) throws -> [UInt8] {
    let count = file.tensors[tensor].description.byteCount(of: role)
    var bytes = [UInt8](repeating: 0xA5, count: count)
    try bytes.withUnsafeMutableBytes { try file.decodeStream(tensor, role, into: $0) }
    return bytes
  }

  @Test(arguments: [true, false]) func chunksAreReadPastTheCache(isDirect: Bool) throws {
    let length = try embed(TestModel.large, at: 100_032)
    let file = try VQ4File(path: larger, offset: 100_032, length: length)
    let staging = UnsafeMutableRawBufferPointer.allocate(
      byteCount: VQ4ChunkReader.stagingBytes(file), alignment: 4_096)
    defer { staging.deallocate() }
    let reader = VQ4ChunkReader(VQ4DirectFile(file, isDirect: isDirect), staging: staging)
    for (tensor, entry) in TestModel.large.flatMap(\.tensors).enumerated() {
      let targets = (0..<file.chunkCount(tensor, .codes)).map {
        VQ4ChunkTarget(
          tensor: tensor, role: .codes, chunk: $0,
          offsetBytes: file.chunkRange(tensor, .codes, $0).lowerBound)
      }
      var bytes = [UInt8](repeating: 0xA5, count: entry.streams[0].count)
      try bytes.withUnsafeMutableBytes { output in
        for batch in VQ4ChunkReader.batches(targets, of: file) {
          try reader.read(batch, into: output.baseAddress!)
        }
      }
      #expect(bytes == entry.streams[0], "\(entry.description.name)")
    }
    let block = UnsafeMutableRawBufferPointer(rebasing: staging[..<4_096])
    #expect(VQ4DirectFile(file, isDirect: isDirect).readBlocks(at: 0, into: block) == 4_096)
  }

  @Test func repackingGivesTheBytesOfTheFile() throws {
    let length = try embed(layout: .map, at: 64)
    let file = try VQ4File(path: larger, offset: 64, length: length)
    for layout in VQ4StorageLayout.allCases {
      try file.repack(to: folder.file("a"), layout: layout, overwrite: true)
      try VQ4File(path: plain).repack(to: folder.file("b"), layout: layout, overwrite: true)
      #expect(try Fixtures.readFile(folder.file("a")) == Fixtures.readFile(folder.file("b")))
    }
    #expect { try file.repack(to: larger, layout: .map, overwrite: true) } throws: {
      ($0 as? VQ4Error)?.code == .sameFile
    }
  }

  // MARK: A descriptor

  /// Without a name that leads to the file, after the caller has closed its own descriptor.
  @Test func anOpenFileIsAModel() throws {
    let length = try embed(at: 64)
    let hash = try VQ4File(path: plain).fileHash
    let descriptor = open(larger, O_RDONLY)
    let whole = open(plain, O_RDONLY)
    for path in [larger, plain] { #expect(unlink(path) == 0) }
    do {
      let file = try VQ4File(descriptor: descriptor, offset: 64, length: length, name: "the app")
      #expect(file.path == "the app")
      #expect(try file.fileHash == hash && VQ4File(descriptor: whole, name: "").fileHash == hash)
      let other = try VQ4File(descriptor: descriptor, offset: 64, length: length, name: "the app")
      #expect(close(descriptor) == 0)
      try file.verify()
      try other.repack(to: folder.file("again.vq4"), layout: .map)
    }
    #expect(fcntl(whole, F_GETFD) >= 0)
    close(whole)
    try VQ4File(path: folder.file("again.vq4")).verify()
  }

  @Test func aDescriptorThatIsNoneIsTold() {
    #expect(throws: VQ4Error.self) { try VQ4File(descriptor: -1, name: "the app") }
    #expect { try VQ4File(descriptor: -1, name: "the app") } throws: {
      "\($0)" == "the app: cannot be opened: Bad file descriptor; correct the value"
    }
  }

  /// Others open files of theirs at the same time: those of this test are known by their name.
  @Test func everyDescriptorIsClosed() throws {
    let length = try embed(at: 64)
    let descriptor = open(larger, O_RDONLY)
    defer { close(descriptor) }
    let before = openCount(larger)
    for _ in 0..<50 {
      let file = try VQ4File(path: larger, offset: 64, length: length)
      let other = try VQ4File(descriptor: descriptor, offset: 64, length: length, name: "a")
      let opened = openCount(larger)
      try file.mapWeights()
      _ = (VQ4DirectFile(file), VQ4DirectFile(other, isDirect: false))
      // At most one more each, past the page cache, and nothing later.
      #expect(openCount(larger) == opened && (0...4).contains(opened - before))
      _ = try? VQ4File(path: larger, offset: 128)
    }
    #expect(openCount(larger) == before)
  }

  /// Descriptors of this process that lead to a file; none where the system does not list them.
  private func openCount(_ path: String) -> Int {
    TemporaryDirectory.names(of: "/proc/self/fd").count { number in
      var target = [UInt8](repeating: 0, count: 4_096)
      let count = target.withUnsafeMutableBytes {
        readlink(
          "/proc/self/fd/\(number)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
      }
      return count > 0 && String(decoding: target.prefix(count), as: UTF8.self) == path
    }
  }

  // MARK: Regions that are refused

  @Test func aRegionOutsideTheFileIsTold() throws {
    let length = try embed(at: 64)
    let size = try Fixtures.readFile(larger).count
    for (offset, length) in [
      (-64, nil), (0, -1), (0, 0), (size, nil), (64, size - 63), (64, Int.max), (Int.min, 1),
      (Int.max, Int.max), (-1, 1),
    ] {
      #expect {
        try VQ4File(path: larger, offset: offset, length: length)
      } throws: { ($0 as? VQ4Error)?.code == .regionOutOfBounds }
    }
    folder.write("short", Array(0..<200))
    for (length, found) in [(100, "100 bytes"), (nil, "all")] {
      #expect {
        try VQ4File(path: folder.file("short"), offset: 1_024, length: length)
      } throws: {
        "\($0)" == "\(folder.file("short")): the model's region is not in the file "
          + "(expected a part of its 200 bytes, found \(found) from 1,024 on); correct the value"
      }
    }
    #expect(length < size)
  }

  /// VQ4-39.
  @Test(arguments: [1, 32, 63, 100]) func anOffsetThatMisalignsIsTold(offset: Int) throws {
    let length = try embed(at: offset)
    #expect {
      try VQ4File(path: larger, offset: offset, length: length)
    } throws: {
      "\($0)" == "\(larger): the model's region begins where its streams are not aligned "
        + "(expected an offset that is a multiple of 64, found \(offset)); correct the value"
    }
  }

  @Test func aRegionIsExactlyTheModel() throws {
    let length = try embed(at: 128)
    for (offset, length, code) in [
      (128, nil, VQ4Error.Code.trailingBytes), (128, length + 1, .trailingBytes),
      (128, length - 1, .truncated), (64, length, .wrongMagic), (0, nil, .wrongMagic),
    ] {
      #expect {
        try VQ4File(path: larger, offset: offset, length: length)
      } throws: { ($0 as? VQ4Error)?.code == code }
    }
    try VQ4File(path: larger, offset: 128, length: length).verify()
  }

  /// Places in messages count from the model's first byte.
  @Test func aFaultIsToldAsInTheFile() throws {
    let length = try embed(layout: .map, at: 64)
    let start = try VQ4File(path: plain).chunkFileRange(2, .codes, 0).lowerBound
    for (path, place) in [(plain, start), (larger, start + 64)] {
      var bytes = try Fixtures.readFile(path)
      bytes[place] ^= 1
      try writeBytes(bytes, to: path)
    }
    let expected = #expect(throws: VQ4Error.self) { try VQ4File(path: plain).verify() }
    let error = #expect(throws: VQ4Error.self) {
      try VQ4File(path: larger, offset: 64, length: length).verify()
    }
    #expect(error?.offsetBytes == start && error?.place == expected?.place)
    #expect(error?.code == .chunkHash && error?.path == larger)
  }
}
