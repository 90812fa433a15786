import Testing
import VARSystem
import VARTestSupport

/// Parts of files that count their bytes from their own beginning.
@Suite struct FileRegionTests {
  private static let byteCount = 300_000
  private static let content = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  private let folder = TemporaryDirectory()

  private func region(_ range: Range<Int>) throws -> FileRegion {
    folder.write("a", Self.content)
    let path = folder.file("a")
    return FileRegion(of: try OpenFile(path, .reading), path: path, range)
  }

  /// Begins with a page, a block, and neither.
  private static let starts = [0, 4096, 65_536, 777]

  @Test(arguments: starts) func placesAreThoseOfTheRegion(start: Int) throws {
    let region = try region(start..<Self.byteCount)
    #expect(region.byteCount == Self.byteCount - start)
    var bytes = [UInt8](repeating: 0, count: 50)
    try bytes.withUnsafeMutableBytes { try region.read(into: $0, at: 1000) }
    #expect(bytes.elementsEqual(Self.content[start + 1000..<start + 1050]))
    let error = #expect(throws: SystemError.self) {
      try bytes.withUnsafeMutableBytes { try region.read(into: $0, at: region.byteCount - 20) }
    }
    #expect(error == SystemError(.read(at: region.byteCount), 0))
  }

  @Test func nothingBehindTheRegionIsRead() throws {
    let region = try region(777..<5000)
    var bytes = [UInt8](repeating: 0, count: 23)
    try bytes.withUnsafeMutableBytes { try region.read(into: $0, at: 4200) }
    #expect(bytes.elementsEqual(Self.content[4977..<5000]))
    let error = #expect(throws: SystemError.self) {
      try bytes.withUnsafeMutableBytes { try region.read(into: $0, at: 4201) }
    }
    #expect(error == SystemError(.read(at: 4223), 0))
  }

  @Test(arguments: starts) func partsAreMappedInPlace(start: Int) throws {
    let region = try region(start..<Self.byteCount)
    for part in [0..<10, 5000..<20_001, 0..<region.byteCount, 100..<100] {
      let mapping = try FileMapping(part, of: region)
      let wanted = Self.content[start + part.lowerBound..<start + part.upperBound]
      #expect(mapping.bytes.elementsEqual(wanted))
    }
  }

  @Test(arguments: starts, [true, false])
  func partsAreReadPastTheCache(start: Int, isDirect: Bool) throws {
    let region = try region(start..<Self.byteCount)
    let longest = 100_000
    let memory = try #require(AnonymousMemory(byteCount: DirectReader.stagingBytes(longest)))
    let staging = UnsafeMutableRawBufferPointer(
      start: memory.base, count: DirectReader.stagingBytes(longest))
    let file = DirectFile(region, isDirect: isDirect)
    let reader = DirectReader(file, staging: staging)
    let end = region.byteCount
    for part in [0..<1, 4095..<4097, 10_000..<110_000, end - 5000..<end, end - 1..<end] {
      let wanted = Self.content[start + part.lowerBound..<start + part.upperBound]
      // With and without the part in the page cache.
      try OpenFile(folder.file("a"), .reading).forget()
      for _ in 0..<2 { #expect(try reader.read(part).elementsEqual(wanted)) }
    }
    let first = start / DirectFile.blockBytes * DirectFile.blockBytes
    let block = UnsafeMutableRawBufferPointer(rebasing: staging[..<DirectFile.blockBytes])
    #expect(file.readBlocks(at: 0, into: block) == DirectFile.blockBytes)
    #expect(block.elementsEqual(Self.content[first..<first + DirectFile.blockBytes]))
  }

  @Test(arguments: [true, false]) func aFileThatIsCutEndsInAnError(isDirect: Bool) throws {
    let start = 4096
    let region = try region(start..<Self.byteCount)
    try OpenFile(folder.file("a"), .updating).truncate(to: 10_000)
    let staging = try #require(AnonymousMemory(byteCount: DirectReader.stagingBytes(10_000)))
    let reader = DirectReader(
      DirectFile(region, isDirect: isDirect),
      staging: UnsafeMutableRawBufferPointer(
        start: staging.base, count: DirectReader.stagingBytes(10_000)))
    let error = #expect(throws: SystemError.self) { try reader.read(0..<10_000) }
    #expect(error?.isEndOfFile == true)
    #expect(error?.attempt == .read(at: 10_000 - start))
  }
}
