import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A region of a file opened a second time, for reads that leave the page cache as it is.
package final class DirectFile: Sendable {
  package let region: FileRegion
  /// Bypasses the page cache; -1 where the file system cannot.
  let descriptor: Int32
  /// Whether the system tells this process what of the file is in the page cache: for a file that the process neither
  /// owns nor may write, it says that everything is there.
  let tellsCached: Bool
  /// Alignment of offsets, sizes and addresses that every file system takes.
  package static let blockBytes = 4096

  /// - Parameter isDirect: false reads through the page cache and forgets what was read.
  package init(_ region: FileRegion, isDirect: Bool = true) {
    self.region = region
    let known = region.file.descriptor
    tellsCached =
      (try? region.status())?.isOwn == true || access("/proc/self/fd/\(known)", W_OK) == 0
    let flag = cvar_open_direct_flag()
    guard isDirect, flag != 0 else {
      descriptor = -1
      return
    }
    // By the open descriptor, so that it is the same file even where its name has gone to another one.
    let again = open("/proc/self/fd/\(known)", O_RDONLY | O_CLOEXEC | flag)
    descriptor = again >= 0 ? again : Self.openByName(region, flag)
  }

  /// For systems without `/proc`; -1 where the name has gone.
  private static func openByName(_ region: FileRegion, _ flag: Int32) -> Int32 {
    let descriptor = open(region.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flag)
    guard descriptor >= 0 else { return -1 }
    var status = stat()
    if fstat(descriptor, &status) == 0,
      FileStatus(status).identity == (try? region.status())?.identity
    {
      return descriptor
    }
    close(descriptor)
    return -1
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Reads past the page cache where the file system can, unchecked: to time the disk.
  ///
  /// - Parameters:
  ///   - offset: is rounded down to a block of the file.
  ///   - output: whole pages.
  /// - Returns: bytes that were read; 0 or less at the end of the file or where it cannot be read.
  package func readBlocks(at offset: Int, into output: UnsafeMutableRawBufferPointer) -> Int {
    let start = (region.range.lowerBound + offset) / Self.blockBytes * Self.blockBytes
    return pread(
      descriptor >= 0 ? descriptor : region.file.descriptor, output.baseAddress!, output.count,
      off_t(start))
  }
}
