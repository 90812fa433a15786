#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A block of zeroed memory in the pages of a file that has no name, as those of a mapped file are.
package final class UnnamedFileMemory {
  package let base: UnsafeMutableRawPointer
  private let byteCount: Int

  /// - Parameter folder: whose disk takes the file.
  /// - Throws: `create`, `reserve` where the disk has no room, or `map`.
  package init(byteCount: Int, in folder: String) throws(SystemError) {
    self.byteCount = byteCount
    let file = try OpenFile.temporary(in: folder)
    let code = posix_fallocate(file.descriptor, 0, off_t(byteCount))
    guard code == 0 else { throw SystemError(.reserve, code) }
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0)
    guard let start, start != MAP_FAILED else { throw SystemError(.map) }
    base = start
  }

  deinit { munmap(base, byteCount) }
}
