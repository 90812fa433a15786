import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A part of a file as bytes in place: its own pages, mapped read-only, or a copy of them.
///
/// Sendable because nothing writes to the bytes after `init`. A file that shrinks while a part of it is mapped cannot
/// be guarded against here: reading beyond its new end raises SIGBUS, for which `MappingGuard` knows the mapping.
final class FileView: @unchecked Sendable {
  /// The part of the file.
  let range: Range<Int>
  /// Its bytes.
  let bytes: UnsafeRawBufferPointer
  /// Whether the bytes are the file's own pages.
  let isMapped: Bool
  private let file: FileBytes
  /// Whole pages that hold the bytes; empty where those belong to the file.
  private let pages: UnsafeMutableRawBufferPointer

  /// Maps a part; shared with others where the file system can do that.
  ///
  /// - Throws: `cannotOpen`.
  init(mapping range: Range<Int>, of file: FileBytes) throws(VQ4Error) {
    self.file = file
    self.range = range
    if let copy = file.copy {
      pages = UnsafeMutableRawBufferPointer(start: nil, count: 0)
      bytes = copy.part(range.lowerBound, range.count)
      isMapped = false
      return
    }
    let mapped = try Self.map(range, of: file)
    pages = mapped
    bytes = UnsafeRawBufferPointer(mapped).part(mapped.count - range.count, range.count)
    isMapped = true
    cvar_mapping_add(mapped.baseAddress, mapped.count, file.path, range.upperBound - mapped.count)
  }

  /// Reads a part into memory.
  init(reading range: Range<Int>, of file: FileBytes) throws(VQ4Error) {
    self.file = file
    self.range = range
    isMapped = false
    let memory = mmap(
      nil, max(range.count, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw Self.refusal("no memory for \(VQ4Error.bytes(range.count))")
    }
    pages = UnsafeMutableRawBufferPointer(start: memory, count: max(range.count, 1))
    bytes = UnsafeRawBufferPointer(start: memory, count: range.count)
    try file.read(
      into: UnsafeMutableRawBufferPointer(start: memory, count: range.count), at: range.lowerBound)
  }

  deinit {
    if isMapped { cvar_mapping_remove(pages.baseAddress) }
    if pages.count > 0 { munmap(pages.baseAddress, pages.count) }
  }

  /// Bytes by their place in the file, which the caller has checked to lie in the part.
  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    bytes.part(offset - range.lowerBound, count)
  }

  /// The whole pages of a part of the file, up to its end.
  ///
  /// - Throws: `cannotOpen`.
  static func map(
    _ range: Range<Int>, of file: FileBytes
  ) throws(VQ4Error) -> UnsafeMutableRawBufferPointer {
    let start = range.lowerBound / FileBytes.pageSize * FileBytes.pageSize
    let count = max(range.upperBound - start, 1)
    // File systems of programs may refuse pages that are shared with others.
    for sharing in [MAP_SHARED, MAP_PRIVATE] {
      let address = mmap(nil, count, PROT_READ, sharing, file.descriptor ?? -1, off_t(start))
      if let address, address != MAP_FAILED {
        return UnsafeMutableRawBufferPointer(start: address, count: count)
      }
    }
    throw refusal("cannot be mapped")
  }

  /// Takes the reason out of errno: whoever goes on without the memory shall not end with it.
  private static func refusal(_ problem: String) -> VQ4Error {
    let code = errno
    errno = 0
    return VQ4Error(
      .cannotOpen, "\(problem): \(systemMessage(code))", remedy: .mapLess, systemError: code)
  }
}
