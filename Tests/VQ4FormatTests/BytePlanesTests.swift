import Testing
import VARTestSupport
import VQ4Format

/// Codec 2: zstd of byte planes.
@Suite struct BytePlanesTests {
  /// The large model in a layout.
  private static func large(_ layout: VQ4StorageLayout) throws -> [UInt8] {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.large, to: path, layout: layout)
    return try Fixtures.readFile(path)
  }

  /// Codecs of the chunks of a stream.
  private static func codecs(_ file: EditableFile, _ tensor: Int, _ role: Int) -> [Int] {
    let first = file[.tensors, tensor, 64 + 32 * role, 4]
    let count = file[.tensors, tensor, 68 + 32 * role, 4]
    return (first..<first + count).map { file[.chunks, $0, 24, 1] }
  }

  /// VQ4-22: planes where the elements have 2 bytes, and nowhere else.
  @Test(arguments: [VQ4StorageLayout.compact, .auto])
  func theWriterChoosesPlanesForElementsOfTwoBytes(layout: VQ4StorageLayout) throws {
    let file = EditableFile(try Self.large(layout))
    var planes: Set<[Int]> = []
    for tensor in 0..<file.rowCount(.tensors) {
      let type = file[.tensors, tensor, 8, 1]
      for role in 0..<3 {
        let codecs = Set(Self.codecs(file, tensor, role)).subtracting([0])
        let hasPairs = [[2, 0], [3, 0], [4, 1], [5, 2]].contains([type, role])
        #expect(codecs.isSubset(of: hasPairs ? [2] : [1]), "tensor \(tensor), stream \(role)")
        if codecs == [2] { planes.insert([type, role]) }
      }
    }
    #expect(planes == [[2, 0], [3, 0], [4, 1], [5, 2]])
    let raw = EditableFile(try Self.large(.map))
    #expect((0..<raw.rowCount(.chunks)).allSatisfy { raw[.chunks, $0, 24, 1] == 0 })
  }

  /// VQ4-21: the frame holds the low bytes, then the high bytes, and is smaller for it.
  @Test func framesHoldPlanes() throws {
    let file = EditableFile(try Self.large(.compact))
    let tensors = TestModel.large.flatMap(\.tensors)
    let index = try #require(tensors.firstIndex { $0.description.name == "b.f16.tiles" })
    let chunk = file[.tensors, index, 64, 4]
    #expect(Self.codecs(file, index, 0) == [2, 2])
    let bytes = Array(tensors[index].streams[0][..<(1 << 20)])
    #expect(file.chunks[chunk] == EditableFile.compress(EditableFile.planes(bytes)))
    let plain = EditableFile.compress(bytes).count
    #expect(file.chunks[chunk].count * 100 < plain * 95)
  }

  /// Files of other writers: codec 1 where this one takes planes, and planes anywhere.
  @Test(arguments: [1, 2]) func anyStreamMayHaveEitherCodec(codec: Int) throws {
    let bytes = try Self.large(.compact)
    var file = EditableFile(bytes)
    let tensors = TestModel.large.flatMap(\.tensors)
    var changed = 0
    for (tensor, entry) in tensors.enumerated() {
      for role in VQ4StreamRole.allCases where !entry.streams[Int(role.rawValue)].isEmpty {
        let stream = entry.streams[Int(role.rawValue)]
        let first = file[.tensors, tensor, 64 + 32 * Int(role.rawValue), 4]
        var offset = 0
        for chunk in first..<first + entry.description.chunkCount(of: role) {
          let raw = Array(stream[offset..<offset + file[.chunks, chunk, 12, 4]])
          offset += raw.count
          guard raw.count % 2 == 0 else { continue }
          let frame = EditableFile.compress(codec == 1 ? raw : EditableFile.planes(raw))
          guard frame.count < raw.count else { continue }
          if file[.chunks, chunk, 24, 1] != codec { changed += 1 }
          file.chunks[chunk] = frame
          file[.chunks, chunk, 24, 1] = codec
        }
      }
    }
    #expect(changed > 5)
    let other = file.assembled()
    let opened = try openFile(other)
    try opened.verify()
    #expect(try opened.contentHash == openFile(bytes).contentHash)
    let plain = try PlainDecoder(other)
    for (tensor, entry) in tensors.enumerated() {
      #expect(plain.tensors[tensor].streams == entry.streams)
      for role in VQ4StreamRole.allCases {
        var decoded = [UInt8](repeating: 0xA5, count: entry.description.byteCount(of: role))
        try decoded.withUnsafeMutableBytes { try opened.decodeStream(tensor, role, into: $0) }
        #expect(decoded == entry.streams[Int(role.rawValue)], "\(entry.description.name) \(role)")
      }
    }
    // The room for repacking holds for them, too, and the bytes are those of any other source.
    let directory = TemporaryDirectory()
    for layout in VQ4StorageLayout.allCases {
      let path = directory.file("\(layout).vq4")
      let result = try opened.repack(to: path, layout: layout)
      #expect(result.fileBytes <= opened.largestByteCount(layout))
      #expect(try Fixtures.readFile(path) == Self.large(layout))
    }
  }

  /// Chunk by chunk past the page cache, with the memory that is told before.
  @Test func theChunkReaderMergesPlanes() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    try TestModel.write(TestModel.large, to: path, layout: .compact)
    let file = try VQ4File(path: path)
    let staging = UnsafeMutableRawBufferPointer.allocate(
      byteCount: VQ4ChunkReader.stagingBytes(file), alignment: 4096)
    defer { staging.deallocate() }
    for isDirect in [true, false] {
      let reader = VQ4ChunkReader(VQ4DirectFile(file, isDirect: isDirect), staging: staging)
      for (tensor, entry) in TestModel.large.flatMap(\.tensors).enumerated() {
        for role in VQ4StreamRole.allCases where file.chunkCount(tensor, role) > 0 {
          let targets = (0..<file.chunkCount(tensor, role)).map {
            VQ4ChunkTarget(
              tensor: tensor, role: role, chunk: $0,
              offsetBytes: file.chunkRange(tensor, role, $0).lowerBound)
          }
          let expected = entry.streams[Int(role.rawValue)]
          var decoded = [UInt8](repeating: 0xA5, count: expected.count)
          try decoded.withUnsafeMutableBytes { output in
            for batch in VQ4ChunkReader.batches(targets, of: file) {
              try reader.read(batch, into: output.baseAddress!)
            }
          }
          #expect(decoded == expected, "\(entry.description.name) \(role)")
        }
      }
    }
  }

  /// A reader takes room for planes where a file has some: that of its largest chunk of planes.
  @Test func theRoomForPlanesIsCounted() throws {
    func memoryBytes(_ tensors: [TestTensor], _ layout: VQ4StorageLayout) throws -> Int {
      let directory = TemporaryDirectory()
      let path = directory.file("m.vq4")
      try TestModel.write([("g", tensors)], to: path, layout: layout)
      return VQ4ChunkReader.memoryBytes(try VQ4File(path: path))
    }
    let half = TestTensor(TestModel.float("h", .f16, .tiles, [40, 4_096]), seed: 1)
    let single = TestTensor(TestModel.float("s", .f32, .tiles, [40, 4_096]), seed: 2)
    let base = try memoryBytes([half, single], .map)
    #expect(try memoryBytes([single], .compact) == base)
    // Three tiles of 128 KiB.
    #expect(try memoryBytes([half, single], .compact) == base + 3 << 17)
  }
}
