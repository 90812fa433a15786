import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARSystem
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Memory, disk, and a checkpoint that changes under the conversion.
@Suite struct ResourceTests {
  private func conversion(
    of source: String, _ layout: VQ4StorageLayout = .auto, memory: Int? = nil, threads: Int = 2
  ) throws -> Conversion {
    var options = ConversionOptions(
      recipe: try Recipe(builtIn: "balanced"), layout: layout, threadCount: threads)
    options.keepsProgress = true
    if let memory { options.memoryByteCount = memory }
    return try Conversion(of: try Checkpoint(path: source), options: options)
  }

  @Test func theBytesDoNotDependOnTheMemory() throws {
    let directory = TemporaryDirectory()
    let tiny = Fixtures.path("tiny")
    let least = try conversion(of: tiny, threads: 8).memory.minimumByteCount
    let small = try conversion(of: tiny, memory: least, threads: 8)
    #expect(small.memory.threadCount == 1 && small.memory.byteCount <= least)
    let large = try conversion(of: tiny, threads: 8)
    #expect(large.memory.threadCount == 8 && large.memory.byteCount > least)
    let first = try small.write(to: directory.file("a.vq4"))
    let second = try large.write(to: directory.file("b.vq4"))
    #expect(first.contentHash == second.contentHash)
    #expect(
      try Fixtures.readFile(directory.file("a.vq4"))
        == Fixtures.readFile(directory.file("b.vq4")))
    #expect { try conversion(of: tiny, memory: least - 1) } throws: {
      let error = $0 as? ConversionError
      return error?.code == .notEnoughMemory && error?.detail.contains("\(least) bytes") == true
    }
  }

  @Test(arguments: VQ4StorageLayout.allCases)
  func theFileIsNeverLargerThanPlanned(layout: VQ4StorageLayout) throws {
    let directory = TemporaryDirectory()
    let conversion = try conversion(of: Fixtures.path("tiny"), layout)
    let result = try conversion.write(to: directory.file("m.vq4"))
    let planned = conversion.disk().fileByteCount
    #expect(result.fileByteCount <= planned)
    // Attachments are estimated; the rest is exact for a file that is not compressed.
    if layout == .map { #expect(planned - result.fileByteCount < 2 << 20) }
  }

  /// A machine so slow that every chunk gets its record.
  @Test func theJournalIsNeverLargerThanPlanned() throws {
    let source = TemporaryDirectory()
    try MidSizeCheckpoint.write(to: source.path)
    var options = ConversionOptions(recipe: try Recipe(builtIn: "int4"), layout: .map)
    options.keepsProgress = true
    options.journalItemCount = 1
    let conversion = try Conversion(of: try Checkpoint(path: source.path), options: options)
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    var largest = 0
    _ = try conversion.write(
      to: path,
      progress: { _ in
        var status = stat()
        if stat(path + ".journal", &status) == 0 { largest = max(largest, Int(status.st_size)) }
      })
    let planned = conversion.disk().journalByteCount
    #expect(largest <= planned, "\(largest) bytes, planned \(planned)")
    // Most of it is used, so that the plan says something.
    #expect(largest > planned / 3, "\(largest) bytes, planned \(planned)")
  }

  @Test func aDiskWithoutRoomIsToldWithNumbers() throws {
    let disk = try conversion(of: Fixtures.path("tiny")).disk(attachmentByteCount: 5000)
    try disk.check(output: "m.vq4", allocated: 0, free: disk.byteCount)
    try disk.check(output: "m.vq4", allocated: 1000, free: disk.byteCount - 1000)
    try disk.check(output: "m.vq4", allocated: 0, free: nil)
    #expect {
      try disk.check(output: "m.vq4", allocated: 1000, free: disk.byteCount - 1001)
    } throws: {
      let error = $0 as? ConversionError
      return error?.code == .notEnoughDisk && error?.subject == "m.vq4"
        && error?.detail.contains("\(disk.fileByteCount) bytes") == true
        && error?.detail.contains("\(disk.byteCount - 1001) bytes free") == true
    }
    #expect(try #require(FreeSpace.byteCount(for: "/tmp/m.vq4")) > 0)
    #expect(FreeSpace.byteCount(for: "/nonexistent/m.vq4") == nil)
  }

  @Test(arguments: ["cut", "longer", "rewritten"])
  func aShardThatChangesIsNamed(change: String) throws {
    let source = TemporaryDirectory()
    SmallCheckpoint().write(to: source.path)
    let shard = source.file("model.safetensors")
    let conversion = try conversion(of: source.path)
    switch change {
    case "cut": truncate(shard, off_t(try Fixtures.readFile(shard).count * 2 / 3))
    case "longer": truncate(shard, off_t(try Fixtures.readFile(shard).count + 1))
    default:
      var bytes = try Fixtures.readFile(shard)
      bytes[bytes.count - 1] ^= 1
      // Some systems count time in steps of 10 ms.
      usleep(20_000)
      let file = try #require(fopen(shard, "r+b"))
      fwrite(bytes, 1, bytes.count, file)
      fclose(file)
    }
    let directory = TemporaryDirectory()
    #expect { try conversion.write(to: directory.file("m.vq4")) } throws: {
      let error = $0 as? CheckpointError
      return error?.code == .changed && error?.path == shard
    }
    #expect(directory.names().isEmpty)
  }

  /// A file that took the place of the shard under its name changes nothing: the one that was opened is read.
  @Test func aShardThatIsReplacedIsReadToItsEnd() throws {
    let source = TemporaryDirectory()
    SmallCheckpoint().write(to: source.path)
    let directory = TemporaryDirectory()
    _ = try conversion(of: source.path).write(to: directory.file("a.vq4"))
    let conversion = try conversion(of: source.path)
    source.write("new", [1, 2, 3])
    rename(source.file("new"), source.file("model.safetensors"))
    _ = try conversion.write(to: directory.file("b.vq4"))
    #expect(
      try Fixtures.readFile(directory.file("a.vq4"))
        == Fixtures.readFile(directory.file("b.vq4")))
  }
}
