import Testing
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct DamageTests {
  /// VQ4-31.
  @Test(arguments: [VQ4StorageLayout.map, .compact])
  func everyFlippedBitIsFound(layout: VQ4StorageLayout) throws {
    let bytes = try TestModel.smallFile(layout: layout)
    try openFile(bytes).verify()
    var missed: [Int] = []
    for bit in 0..<8 * bytes.count {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      do {
        try openFile(damaged).verify()
        missed.append(bit)
      } catch is VQ4Error {
      }
    }
    #expect(missed == [])
  }

  /// VQ4-8, VQ4-9.
  @Test func everyCutIsFoundOnOpening() throws {
    let bytes = try TestModel.smallFile()
    for count in 0..<bytes.count {
      #expect(throws: VQ4Error.self) { try openFile(Array(bytes[..<count])) }
    }
  }

  /// Chunks of equal size and codec in each other's place, hashes of the chunks adapted.
  @Test func swappedChunksAreFound() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    let tensors = ["a", "b"].enumerated().map { index, name in
      TestTensor(TestModel.float(name, .f32, .vector, [32]), seed: UInt64(index))
    }
    try TestModel.write([("g", tensors)], to: path, layout: .map)
    var file = EditableFile(try Fixtures.readFile(path))
    let hashes = [0, 1].map { Array(file.tables[2][160 * $0 + 80..<160 * $0 + 96]) }
    file.chunks.swapAt(0, 1)
    let swapped = try openFile(
      file.assembled(tables: { for row in 0..<2 { $0.setHash(.tensors, row, 80, hashes[row]) } }))
    #expect { try swapped.verify() } throws: { ($0 as? VQ4Error)?.code == .streamHash }
  }

  /// Random damage behind correct hashes: any answer but a crash.
  @Test func randomFaultsBehindTheHashesNeverCrash() throws {
    let valid = EditableFile(try TestModel.smallFile())
    var generator = SplitMix64(seed: 2026)
    var refused = 0
    for _ in 0..<4_000 {
      let edits = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
        (Int.random(in: 0..<6, using: &generator), generator.next(), generator.next())
      }
      func apply(_ bytes: inout [UInt8], _ place: UInt64, _ value: UInt64) {
        let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: value >> 8)]
        bytes[Int(place % UInt64(bytes.count))] = interesting[Int(value % 6)]
      }
      let bytes = valid.assembled(
        tables: { file in
          for (table, place, value) in edits where table < 5 {
            apply(&file.tables[table], place, value)
          }
        },
        superblock: { superblock in
          for (table, place, value) in edits where table == 5 {
            apply(&superblock, place % 496, value)
          }
        })
      do { try openFile(bytes).verify() } catch is VQ4Error { refused += 1 }
    }
    #expect(refused > 3_000)
  }

  /// VQ4-35: 600 MiB of zeros in a file of some 70 KB; memory stays that of one chunk.
  @Test func memoryIsBoundedForHighlyCompressedFiles() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    let description = TestModel.float("zeros", .f32, .vector, [1 << 18])
    var tensor = TestTensor(description, seed: 1)
    tensor.streams[0] = [UInt8](repeating: 0, count: 1 << 20)
    try TestModel.write([("g", [tensor])], to: path, layout: .compact)
    var file = EditableFile(try Fixtures.readFile(path))
    let count = 600
    file.chunks = Array(repeating: file.chunks[0], count: count)
    let row = file.tables[3]
    for _ in 1..<count { file.tables[3] += row }
    file[.tensors, 0, 16, 4] = count << 18
    file[.tensors, 0, 68, 4] = count
    file[.tensors, 0, 72, 8] = count << 20
    let bytes = file.assembled()
    #expect(bytes.count < 200_000)
    let opened = try openFile(bytes)
    let before = Self.peakBytes()
    // The stream's hash still is that of one chunk.
    #expect { try opened.verify() } throws: { ($0 as? VQ4Error)?.code == .streamHash }
    #expect(Self.peakBytes() - before < 300 << 20)
  }

  private static func peakBytes() -> Int {
    var usage = rusage()
    // RUSAGE_SELF, whose type differs between the C libraries.
    getrusage(0, &usage)
    return usage.ru_maxrss * 1_024
  }
}

@Suite struct OpenTests {
  @Test func whatIsNoRegularFileIsRefused() throws {
    let directory = TemporaryDirectory()
    let pipe = directory.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [directory.path, pipe, "/dev/null"] {
      #expect { try VQ4File(path: path) } throws: {
        ($0 as? VQ4Error)?.code == .notARegularFile
      }
    }
    let missing = directory.file("missing.vq4")
    #expect { try VQ4File(path: missing) } throws: {
      let error = $0 as? VQ4Error
      return error?.code == .cannotOpen && error?.systemError == ENOENT
    }
    let empty = directory.file("empty.vq4")
    try writeBytes([], to: empty)
    #expect { try VQ4File(path: empty) } throws: { ($0 as? VQ4Error)?.code == .emptyFile }
  }

  @Test func whatMayNotBeReadIsTold() throws {
    let directory = TemporaryDirectory()
    let loop = directory.file("loop.vq4")
    #expect(symlink("loop.vq4", loop) == 0)
    #expect { try VQ4File(path: loop) } throws: {
      ($0 as? VQ4Error)?.code == .cannotOpen && ($0 as? VQ4Error)?.systemError == ELOOP
    }
    let closed = directory.file("closed.vq4")
    try TestModel.write(TestModel.small, to: closed, layout: .map)
    #expect(chmod(closed, 0) == 0)
    // Rights do not bind the superuser.
    if geteuid() != 0 {
      #expect { try VQ4File(path: closed) } throws: {
        ($0 as? VQ4Error)?.code == .cannotOpen && ($0 as? VQ4Error)?.systemError == EACCES
      }
    }
  }

  /// A file that takes the place of an open one, as a writer publishes it, is another file.
  @Test func aFileThatIsReplacedStaysWhole() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    try TestModel.write(TestModel.large, to: path, layout: .map)
    let file = try VQ4File(path: path)
    let hash = file.contentHash
    try TestModel.write(TestModel.small, to: directory.file("other.vq4"), layout: .map)
    #expect(rename(directory.file("other.vq4"), path) == 0)
    try file.verify()
    #expect(file.contentHash == hash)
    #expect(try VQ4File(path: path).contentHash != hash)
  }

  @Test func aLinkIsFollowed() throws {
    let directory = TemporaryDirectory()
    try TestModel.write(TestModel.small, to: directory.file("model.vq4"), layout: .map)
    #expect(symlink("model.vq4", directory.file("link.vq4")) == 0)
    try VQ4File(path: directory.file("link.vq4")).verify()
  }
}
