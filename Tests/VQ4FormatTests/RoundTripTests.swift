import Testing
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct RoundTripTests {
  /// VQ4-13, VQ4-15, VQ4-20.
  @Test(arguments: VQ4StorageLayout.allCases, [false, true])
  func everyStreamComesBack(layout: VQ4StorageLayout, isLarge: Bool) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    let groups = isLarge ? TestModel.large : TestModel.small
    let result = try TestModel.write(groups, to: path, layout: layout)
    let file = try VQ4File(path: path)
    #expect(file.byteCount == result.fileBytes)
    #expect(file.contentHash == result.contentHash)
    #expect(file.groups.map(\.name) == groups.map(\.name))
    #expect(file.groups.allSatisfy { $0.fileRange.lowerBound % 65_536 == 0 })
    for tensor in groups.flatMap(\.tensors) {
      let index = try #require(file.tensorIndex(named: tensor.description.name))
      #expect(file.tensors[index].description == tensor.description)
      for role in VQ4StreamRole.allCases {
        let expected = tensor.streams[Int(role.rawValue)]
        var decoded = [UInt8](repeating: 0xA5, count: expected.count)
        try decoded.withUnsafeMutableBytes { try file.decodeStream(index, role, into: $0) }
        #expect(decoded == expected, "\(tensor.description.name) \(role)")
        if let raw = file.rawStream(index, role) {
          #expect(raw.elementsEqual(expected))
          #expect(Int(bitPattern: raw.baseAddress) % 64 == 0)
        } else {
          #expect(layout != .map || expected.isEmpty)
        }
      }
    }
    for (name, bytes, inPlace) in TestModel.attachments {
      #expect(try file.attachment(name) == bytes)
      #expect(try !inPlace || file.attachmentInPlace(name)?.elementsEqual(bytes) == true)
    }
    #expect(try file.attachment("none") == nil)
    #expect(try file.jsonAttachment("configuration")["hidden_size"]?.integerValue == 64)
    for group in file.groups.indices {
      file.readAhead(group: group)
      file.forgetPages(group: group)
    }
    try file.verify()
  }
}

@Suite struct StorageLayoutTests {
  /// VQ4-33, VQ4-34.
  @Test(arguments: VQ4StorageLayout.allCases, VQ4StorageLayout.allCases)
  func repackingGivesTheBytesOfWritingDirectly(
    from: VQ4StorageLayout, to: VQ4StorageLayout
  ) throws {
    let directory = TemporaryDirectory()
    let source = directory.file("source.vq4")
    let direct = directory.file("direct.vq4")
    let repacked = directory.file("repacked.vq4")
    let first = try TestModel.write(TestModel.large, to: source, layout: from)
    let second = try TestModel.write(TestModel.large, to: direct, layout: to, piece: 12_345)
    let third = try VQ4File(path: source).repack(to: repacked, layout: to)
    #expect(first.contentHash == second.contentHash)
    #expect(second == third)
    #expect(try Fixtures.readFile(direct) == Fixtures.readFile(repacked))
  }

  /// VQ4-22.
  @Test func layoutsDifferInWhatTheyCompress() throws {
    let directory = TemporaryDirectory()
    var files: [VQ4StorageLayout: VQ4File] = [:]
    for layout in VQ4StorageLayout.allCases {
      let path = directory.file("\(layout).vq4")
      try TestModel.write(TestModel.large, to: path, layout: layout)
      files[layout] = try VQ4File(path: path)
    }
    let map = try #require(files[.map])
    let compact = try #require(files[.compact])
    let auto = try #require(files[.auto])
    #expect(compact.byteCount < auto.byteCount)
    #expect(auto.byteCount < map.byteCount)
    for (index, tensor) in map.tensors.enumerated() {
      for role in VQ4StreamRole.allCases where map.chunkCount(index, role) > 0 {
        let raw = tensor.description.byteCount(of: role)
        #expect(map.storedByteCount(index, role) == raw)
        // A stream is either raw as a whole or gains what its layout asks for.
        let small = compact.storedByteCount(index, role)
        #expect(small == raw || small * 100 <= raw * 97)
        let large = auto.storedByteCount(index, role)
        #expect(large == raw || large * 100 <= raw * 90)
      }
    }
    #expect(map.fileHash != compact.fileHash)
    let mixed = try #require(map.tensorIndex(named: "b.mixed"))
    #expect(auto.rawStream(mixed, .codes) != nil)
    #expect(compact.rawStream(mixed, .codes) == nil)
    #expect(compact.chunkFileRange(mixed, .codes, 0).count < 1 << 20)
    #expect(compact.chunkFileRange(mixed, .codes, 1).count == 1 << 20)
  }

  /// VQ4-36.
  @Test func anInterruptedOrRefusedWriteLeavesNothing() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    do {
      let writer = try VQ4Writer(path: path)
      #expect { try VQ4Writer(path: path) } throws: { ($0 as? VQ4Error)?.code == .outputBusy }
      try writer.beginGroup("a")
      try writer.beginTensor(TestModel.float("a.b", .f32, .vector, [4]))
      #expect { try writer.endTensor() } throws: {
        ($0 as? VQ4Error)?.code == .streamIncomplete
      }
    }
    #expect(access(path, F_OK) != 0)
    #expect(access(path + ".partial", F_OK) != 0)
    try writeBytes([0, 0, 0], to: path + ".partial")
    try TestModel.write(TestModel.small, to: path, layout: .map)
    #expect(access(path + ".partial", F_OK) != 0)
    #expect { try VQ4Writer(path: path) } throws: { ($0 as? VQ4Error)?.code == .outputExists }
    try VQ4File(path: path).verify()
  }

  @Test func aMissingDirectoryIsNamed() {
    #expect { try VQ4Writer(path: "/nonexistent/model.vq4") } throws: {
      let error = $0 as? VQ4Error
      return error?.code == .writeFailed && error?.systemError == ENOENT
    }
  }

  @Test(arguments: [
    ("f32", [UInt8](repeating: 0, count: 12) + [0, 0, 0x80, 0x7F], VQ4Error.Code.nonFiniteValue),
    ("f32", [UInt8](repeating: 0, count: 17), .streamOverrun),
  ])
  func theWriterRefusesWhatTheFormatForbids(
    type: String, bytes: [UInt8], code: VQ4Error.Code
  ) throws {
    let directory = TemporaryDirectory()
    let writer = try VQ4Writer(path: directory.file("model.vq4"))
    try writer.beginGroup("a")
    try writer.beginTensor(TestModel.float("a.b", .f32, .vector, [4]))
    #expect {
      try bytes.withUnsafeBytes { try writer.append(.codes, $0) }
      try writer.endTensor()
    } throws: {
      ($0 as? VQ4Error)?.code == code
    }
  }
}

@Suite struct RepackingTests {
  @Test func aFileIsNotRepackedIntoItself() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.small, to: path, layout: .map)
    #expect(link(path, directory.file("other.vq4")) == 0)
    for output in [path, directory.file("other.vq4")] {
      #expect {
        try VQ4File(path: path).repack(to: output, layout: .auto, overwrite: true)
      } throws: { ($0 as? VQ4Error)?.code == .sameFile }
    }
  }

  /// The file would be emptied before it is read.
  @Test func aFileIsNotRepackedOverItsPartialFile() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4.partial")
    try TestModel.write(TestModel.small, to: path, layout: .map)
    let bytes = try Fixtures.readFile(path)
    #expect(link(path, directory.file("other.vq4")) == 0)
    for source in [path, directory.file("other.vq4")] {
      #expect {
        try VQ4File(path: source).repack(
          to: directory.file("m.vq4"), layout: .auto, overwrite: true)
      } throws: {
        let error = $0 as? VQ4Error
        return error?.code == .sameFile && error?.path == path
      }
    }
    #expect(try Fixtures.readFile(path) == bytes)
    #expect(directory.names() == ["m.vq4.partial", "other.vq4"])
  }

  /// What is damaged comes out of no repacking with hashes that are right.
  @Test(arguments: Fault.contentFaults.filter { $0.code != .paddingNotZero })
  func damageIsNotRepacked(_ fault: Fault) throws {
    let directory = TemporaryDirectory()
    let file = try openFile(try fault.file())
    #expect {
      try file.repack(to: directory.file("n.vq4"), layout: .map)
    } throws: { error in
      let error = error as? VQ4Error
      // The two hashes of a raw attachment are first compared at the end.
      return (error?.code == fault.code || error?.code == .contentHash)
        && error?.path == "test.vq4"
    }
    #expect(directory.names().isEmpty)
  }

  /// The room that is asked for is what the file may take, and not much more.
  @Test(arguments: VQ4StorageLayout.allCases, VQ4StorageLayout.allCases)
  func theRoomIsKnown(from: VQ4StorageLayout, to: VQ4StorageLayout) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.large, to: path, layout: from)
    let file = try VQ4File(path: path)
    let result = try file.repack(to: directory.file("n.vq4"), layout: to)
    let largest = file.largestByteCount(to)
    #expect(result.fileBytes <= largest)
    if to == .map {
      #expect(
        largest - result.fileBytes < 128 * (file.tensors.count + 8) + 65_536
          * (file.groups.count + 1))
    }
  }

  @Test func stoppingLeavesNothing() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.large, to: path, layout: .map)
    var asked = 0
    #expect {
      try VQ4File(path: path).repack(
        to: directory.file("n.vq4"), layout: .compact,
        isCancelled: {
          asked += 1
          return asked > 3
        })
    } throws: { ($0 as? VQ4Error)?.code == .cancelled }
    #expect(directory.names() == ["m.vq4"])
  }

  @Test func aCheckStopsWithinAChunk() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.large, to: path, layout: .map)
    var chunkCount = 0
    #expect {
      try VQ4File(path: path).verify(
        isCancelled: { chunkCount == 2 }, progress: { _, _ in chunkCount += 1 })
    } throws: { ($0 as? VQ4Error)?.code == .cancelled }
    #expect(chunkCount == 2)
  }

  /// A matrix of zeros is allowed, and named.
  @Test func matricesOfZerosAreNamed() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let writer = try VQ4Writer(path: path)
    try writer.beginGroup("g")
    let matrix = { (name: String) in
      VQ4TensorDescription(
        name: name, elementType: .int8, layout: .tiles, shape: [16, 32], groupSize: 32)
    }
    let norm = VQ4TensorDescription(
      name: "norm", elementType: .f32, layout: .vector, shape: [16])
    for (plain, value) in [(matrix("zeros"), UInt8(0)), (matrix("ones"), 1), (norm, 0)] {
      try writer.beginTensor(plain)
      for role in VQ4StreamRole.allCases where plain.byteCount(of: role) > 0 {
        let bytes = [UInt8](repeating: role == .codes ? value : 0, count: plain.byteCount(of: role))
        try bytes.withUnsafeBytes { try writer.append(role, $0) }
      }
      try writer.endTensor()
    }
    _ = try writer.finish()
    #expect(try VQ4File(path: path).verify() == ["zeros"])
  }

  /// The smallest fp16 numbers are scales like any others.
  @Test func subnormalScalesAreAccepted() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let writer = try VQ4Writer(path: path)
    let matrix = VQ4TensorDescription(
      name: "tiny", elementType: .int8, layout: .tiles, shape: [16, 32], groupSize: 32)
    try writer.beginGroup("g")
    try writer.beginTensor(matrix)
    for role in VQ4StreamRole.allCases where matrix.byteCount(of: role) > 0 {
      // Codes of 1; scales of 2^-24, in little-endian order.
      let bytes = (0..<matrix.byteCount(of: role)).map { role == .codes ? 1 : UInt8(1 - $0 % 2) }
      try bytes.withUnsafeBytes { try writer.append(role, $0) }
    }
    try writer.endTensor()
    _ = try writer.finish()
    #expect(try VQ4File(path: path).verify() == [])
  }
}
