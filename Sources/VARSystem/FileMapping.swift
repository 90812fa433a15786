import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A part of a file in place: its own pages, mapped read-only and shared with others where the file system can do that.
///
/// A file that shrinks while a part of it is mapped cannot be guarded against here: reading beyond its new end raises
/// SIGBUS, for which `MappingGuard` knows the mapping. Sendable because nothing writes to the bytes.
package final class FileMapping: @unchecked Sendable {
  /// The bytes of the part.
  package let bytes: UnsafeRawBufferPointer
  private let pages: UnsafeRawBufferPointer

  /// - Throws: `map`. The reason is taken out of errno: whoever goes on without the memory shall not end with it.
  package init(_ part: Range<Int>, of region: FileRegion) throws(SystemError) {
    let range = region.absolute(part)
    pages = try Self.map(range, of: region.file)
    bytes = UnsafeRawBufferPointer(rebasing: pages[(pages.count - range.count)...])
    cvar_mapping_add(pages.baseAddress, pages.count, region.path, range.upperBound - pages.count)
  }

  deinit {
    cvar_mapping_remove(pages.baseAddress)
    Self.unmap(pages)
  }

  /// The whole pages of a part of the file, up to its end.
  static func map(
    _ range: Range<Int>, of file: OpenFile
  ) throws(SystemError) -> UnsafeRawBufferPointer {
    let start = range.lowerBound / MemoryPages.byteCount * MemoryPages.byteCount
    let count = max(range.upperBound - start, 1)
    // File systems of programs may refuse pages that are shared with others.
    for sharing in [MAP_SHARED, MAP_PRIVATE] {
      let address = mmap(nil, count, PROT_READ, sharing, file.descriptor, off_t(start))
      if let address, address != MAP_FAILED {
        return UnsafeRawBufferPointer(start: address, count: count)
      }
    }
    defer { errno = 0 }
    throw SystemError(.map)
  }

  static func unmap(_ pages: UnsafeRawBufferPointer) {
    munmap(UnsafeMutableRawPointer(mutating: pages.baseAddress), pages.count)
  }
}
