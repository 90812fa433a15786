import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A part of an open file, which its own bytes begin at 0: a file inside another one, or the whole file.
package struct FileRegion: Sendable {
  let file: OpenFile
  /// The file as the caller named it.
  package let path: String
  /// The part, in bytes of the file.
  let range: Range<Int>

  package init(of file: OpenFile, path: String, _ range: Range<Int>) {
    self.file = file
    self.path = path
    self.range = range
  }

  package var byteCount: Int { range.count }

  /// What the system says about the whole file.
  package func status() throws(SystemError) -> FileStatus { try file.status() }

  /// Bytes of the file, by their place in the region.
  func absolute(_ part: Range<Int>) -> Range<Int> {
    precondition(part.lowerBound >= 0 && part.upperBound <= range.count, "beyond the region")
    return part.lowerBound + range.lowerBound..<part.upperBound + range.lowerBound
  }

  /// Fills `output` with the bytes from `offset` on; as `OpenFile.read`, places counted in the region.
  package func read(
    into output: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(SystemError) {
    do throws(SystemError) {
      try file.read(into: output, at: range.lowerBound + offset)
    } catch {
      throw relative(error)
    }
  }

  /// An error with its place in the region.
  func relative(_ error: SystemError) -> SystemError {
    guard case .read(let offset) = error.attempt else { return error }
    return SystemError(.read(at: offset - range.lowerBound), error.code)
  }
}

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
