#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A region of a file, for reads that leave the page cache as it is.
///
/// Where the file system has reads past the cache, the file is opened a second time for them: once, for all readers,
/// because a process that locks itself in later may open nothing any more.
package struct DirectFile: Sendable {
  package let region: FileRegion
  /// Bypasses the page cache; nil where that is refused.
  private(set) var direct: OpenFile?
  /// Whether the system tells this process what of the file is in the page cache: for a file that the process neither
  /// owns nor may write, it says that everything is there.
  let tellsCached: Bool
  /// What the page cache held once, of the whole region; nil: what it holds when it is asked counts.
  private(set) var cachedPages: CachedPages?
  /// Alignment of offsets, sizes and addresses that every file system takes.
  package static let blockBytes = 4096

  /// - Parameter isDirect: false reads through the page cache and forgets what was read.
  package init(_ region: FileRegion, isDirect: Bool = true) {
    self.region = region
    tellsCached =
      (try? region.status())?.isOwn == true || access(Self.knownName(region), W_OK) == 0
    direct = isDirect ? Self.openAgain(region) : nil
  }

  /// The same file, read through the page cache; what was read is forgotten.
  package func throughCache() -> DirectFile {
    var file = self
    file.direct = nil
    return file
  }

  /// The same file, read through the page cache only where that holds the bytes now already.
  ///
  /// Reads through the cache may have the system read ahead; the next read would find that there, and so on to the end
  /// of the file. Nothing is read ahead for this open file any more; what others have begun comes to an end.
  package func leavingCacheAlone() -> DirectFile {
    region.file.stopReadingAhead()
    var file = self
    file.cachedPages = tellsCached ? CachedPages(of: region) : nil
    return file
  }

  /// Leads to the open file even where its name has gone to another one.
  private static func knownName(_ region: FileRegion) -> String {
    "/proc/self/fd/\(region.file.descriptor)"
  }

  private static func openAgain(_ region: FileRegion) -> OpenFile? {
    guard let mode = OpenMode.readingDirectly else { return nil }
    if let again = try? OpenFile(knownName(region), mode) { return again }
    // For systems without `/proc`; nil where the name has gone.
    guard region.file.hasName, let again = try? OpenFile(region.path, mode),
      let identity = try? again.status().identity,
      identity == (try? region.status())?.identity
    else { return nil }
    return again
  }

  /// Reads past the page cache where the file system can, unchecked: to time the disk.
  ///
  /// - Parameters:
  ///   - offset: is rounded down to a block of the file.
  ///   - output: whole pages.
  /// - Returns: bytes that were read; 0 or less at the end of the file or where it cannot be read.
  package func readBlocks(at offset: Int, into output: UnsafeMutableRawBufferPointer) -> Int {
    let start = (region.range.lowerBound + offset) / Self.blockBytes * Self.blockBytes
    return pread(
      (direct ?? region.file).descriptor, output.baseAddress!, output.count, off_t(start))
  }
}
