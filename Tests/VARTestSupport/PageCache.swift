#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the system holds of files in memory.
public enum PageCache {
  /// Has the page cache forget a file, as on a machine that has just started.
  public static func evict(_ path: String) throws {
    let descriptor = try open(path)
    defer { close(descriptor) }
    fsync(descriptor)
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }

  /// Bytes of a file's pages in the page cache; asking brings none there.
  public static func byteCount(_ path: String) throws -> Int {
    let descriptor = try open(path)
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size > 0 else {
      throw FixtureError("\(path): has no size")
    }
    let count = Int(status.st_size)
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED
    else { throw FixtureError("\(path): cannot be mapped") }
    defer { munmap(start, count) }
    let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
    var states = [UInt8](repeating: 0, count: (count + pageByteCount - 1) / pageByteCount)
    guard mincore(start, count, &states) == 0 else {
      throw FixtureError("\(path): the system does not say")
    }
    return states.count { $0 & 1 == 1 } * pageByteCount
  }

  private static func open(_ path: String) throws -> Int32 {
    #if canImport(Glibc)
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    #elseif canImport(Musl)
      let descriptor = Musl.open(path, O_RDONLY | O_CLOEXEC)
    #endif
    guard descriptor >= 0 else { throw FixtureError("\(path): cannot be opened") }
    return descriptor
  }
}
