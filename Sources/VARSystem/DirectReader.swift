#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads parts of a file with system calls so that the page cache holds afterwards what it held before. For one thread.
package final class DirectReader {
  private let file: DirectFile
  private let staging: UnsafeMutableRawBufferPointer
  private var pageStates: [UInt8] = []

  /// - Parameter staging: where the bytes go: `stagingBytes` that begin with a page and outlive the reader. A fast disk
  ///   is two to three times as fast where they lie in huge pages.
  package init(_ file: DirectFile, staging: UnsafeMutableRawBufferPointer) {
    self.file = file
    self.staging = staging
  }

  /// Bytes of the staging for parts of `count` bytes at most: the parts of a block before and after it come along.
  package static func stagingBytes(_ count: Int) -> Int {
    let block = DirectFile.blockBytes
    return (count + block - 1) / block * block + 2 * block
  }

  /// Bytes of the region, valid until the next call.
  ///
  /// - Throws: `read`, with the place in the region.
  package func read(_ part: Range<Int>) throws(SystemError) -> UnsafeRawBufferPointer {
    do throws(SystemError) {
      return try readFile(file.region.absolute(part))
    } catch {
      throw file.region.relative(error)
    }
  }

  private func readFile(_ range: Range<Int>) throws(SystemError) -> UnsafeRawBufferPointer {
    let start = staging.baseAddress!
    let cached = UnsafeMutableRawBufferPointer(start: start, count: range.count)
    if isCached(range) {
      try file.region.file.read(into: cached, at: range.lowerBound)
      return UnsafeRawBufferPointer(cached)
    }
    if let direct = file.direct, try readBlocks(around: range, of: direct) {
      let before = range.lowerBound % DirectFile.blockBytes
      return UnsafeRawBufferPointer(start: start + before, count: range.count)
    }
    // What the file system refuses is read the other way.
    try file.region.file.read(into: cached, at: range.lowerBound)
    file.region.file.forget(range)
    return UnsafeRawBufferPointer(cached)
  }

  /// Whether the page cache holds bytes of the file; asking brings none there.
  private func isCached(_ range: Range<Int>) -> Bool {
    // Mapped for the question alone: the file may be larger than what this process may map.
    guard file.tellsCached, file.cachedPages?.contain(range) ?? true,
      let pages = try? FileMapping.map(range, of: file.region.file)
    else { return false }
    defer { FileMapping.unmap(pages) }
    let count = MemoryPages.roundedUp(pages.count) / MemoryPages.byteCount
    if pageStates.count < count { pageStates = [UInt8](repeating: 0, count: count) }
    let start = UnsafeMutableRawPointer(mutating: pages.baseAddress!)
    return mincore(start, pages.count, &pageStates) == 0
      && pageStates[..<count].allSatisfy { $0 & 1 == 1 }
  }

  /// Reads whole blocks into `staging`. Returns false where the system refuses the alignment.
  private func readBlocks(
    around range: Range<Int>, of direct: OpenFile
  ) throws(SystemError) -> Bool {
    let block = DirectFile.blockBytes
    let offset = range.lowerBound / block * block
    let needed = range.upperBound - offset
    let count = (needed + block - 1) / block * block
    var done = 0
    while done < needed {
      // A read past the end of the file is short, and the next one would not begin with a block.
      if done % block != 0 { return false }
      let got = pread(
        direct.descriptor, staging.baseAddress! + done, count - done, off_t(offset + done))
      if got < 0, errno == EINTR { continue }
      if got < 0, errno == EINVAL { return false }
      guard got >= 0 else { throw SystemError(.read(at: offset + done)) }
      guard got > 0 else { throw SystemError(.read(at: offset + done), 0) }
      done += got
    }
    return true
  }
}
