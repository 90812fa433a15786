import Testing
import VARSystem
import VARTestSupport

/// Reads that leave the page cache as it is.
@Suite struct DirectReaderTests {
  private static let pieceByteCount = 1 << 20

  private func write(_ folder: TemporaryDirectory, pieceCount: Int) throws -> FileRegion {
    var random = SplitMix64(seed: 5)
    let piece = (0..<Self.pieceByteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    folder.write("a", (0..<pieceCount).flatMap { _ in piece })
    let path = folder.file("a")
    try PageCache.evict(path)
    return FileRegion(
      of: try OpenFile(path, .reading), path: path, 0..<pieceCount * Self.pieceByteCount)
  }

  /// Reads all of a region, piece by piece and not from the beginnings of pages; returns the sum of all bytes.
  private func sum(_ file: DirectFile) throws -> Int {
    let byteCount = DirectReader.stagingBytes(Self.pieceByteCount)
    let staging = try #require(AnonymousMemory(byteCount: byteCount))
    let reader = DirectReader(
      file, staging: UnsafeMutableRawBufferPointer(start: staging.base, count: byteCount))
    var sum = 0
    for first in stride(from: 777, to: file.region.byteCount, by: Self.pieceByteCount) {
      let end = min(first + Self.pieceByteCount, file.region.byteCount)
      for byte in try reader.read(first..<end) { sum += Int(byte) }
    }
    withExtendedLifetime(staging) {}
    return sum
  }

  /// Another program reads the beginning, and the system a little more: what of that is not there when the reading
  /// begins does not come either.
  @Test func whatOthersHaveBegunToReadAheadEnds() throws {
    let folder = TemporaryDirectory()
    let region = try write(folder, pieceCount: 48)
    let other = try OpenFile(region.path, .reading)
    for piece in 0..<4 {
      _ = try other.bytes(at: piece * Self.pieceByteCount, count: Self.pieceByteCount)
    }
    let before = try PageCache.byteCount(region.path)
    _ = try sum(DirectFile(region).leavingCacheAlone())
    let after = try PageCache.byteCount(region.path)
    #expect(after - before < 24 << 20, "\(before) bytes became \(after)")
  }

  @Test func theBytesAreTheSameWhereverTheyAre() throws {
    let folder = TemporaryDirectory()
    let region = try write(folder, pieceCount: 4)
    let cold = try sum(DirectFile(region).leavingCacheAlone())
    let stale = DirectFile(region).leavingCacheAlone()
    let all = try Fixtures.readFile(region.path)
    #expect(cold == all.dropFirst(777).reduce(0) { $0 + Int($1) })
    // In the page cache since then, and at the beginning.
    #expect(try sum(stale) == cold)
    #expect(try sum(DirectFile(region).leavingCacheAlone()) == cold)
    #expect(try PageCache.byteCount(region.path) >= region.byteCount)
  }
}
