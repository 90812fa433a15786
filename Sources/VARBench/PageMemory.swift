#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The pages that weights lie in. Reading speeds differ, so probes and runs use the same kind.
public enum PageKind: String, Sendable, CaseIterable {
  /// Anonymous memory in huge pages where the system has them.
  case huge
  /// Anonymous memory in small pages.
  case small
  /// A mapped file in the page cache, as the weights of a real model are.
  case file
}

/// One block of memory in pages of one kind, filled with bytes that repeat no shorter than 1 MiB.
final class PageMemory {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// - Parameter temporaryFolder: where the file of the kind `file` lies, without a name.
  init(
    byteCount wanted: Int, kind: PageKind, temporaryFolder: String
  ) throws(BenchmarkError) {
    let hugePage = 2 << 20
    byteCount = (max(wanted, 1) + hugePage - 1) / hugePage * hugePage
    var descriptor: Int32 = -1
    var flags = MAP_PRIVATE | MAP_ANONYMOUS
    if kind == .file {
      descriptor = try Self.unnamedFile(in: temporaryFolder, byteCount: byteCount)
      flags = MAP_SHARED
    }
    defer { if descriptor >= 0 { close(descriptor) } }
    guard let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, 0),
      base != MAP_FAILED
    else { throw Self.noMemory(byteCount) }
    self.base = base
    if kind != .file {
      let madvHugePage: Int32 = 14
      let madvNoHugePage: Int32 = 15
      // A system without huge pages refuses, and gives small ones.
      _ = madvise(base, byteCount, kind == .huge ? madvHugePage : madvNoHugePage)
    }
  }

  deinit { munmap(base, byteCount) }

  private static func unnamedFile(
    in folder: String, byteCount: Int
  ) throws(BenchmarkError) -> Int32 {
    var template = Array((folder + "/varbench-XXXXXX").utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw BenchmarkError(.outOfMemory, "\(folder): cannot make a file; set TMPDIR")
    }
    unlink(template)
    guard posix_fallocate(descriptor, 0, off_t(byteCount)) == 0 else {
      close(descriptor)
      throw BenchmarkError(
        .outOfMemory, "\(folder): no space for \(byteCount) bytes; set TMPDIR, or take huge pages")
    }
    return descriptor
  }

  private static func noMemory(_ byteCount: Int) -> BenchmarkError {
    BenchmarkError(
      .outOfMemory, "the system refused \(byteCount >> 20) MiB; take a smaller shape")
  }
}
