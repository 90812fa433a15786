import CVARFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A regular file mapped read-only; symbolic links are followed.
final class MappedFile: @unchecked Sendable {
  let path: String
  /// The file's bytes; empty for an empty file.
  let bytes: UnsafeRawBufferPointer

  init(path: String) throws(CheckpointError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let isMissing = errno == ENOENT
      throw CheckpointError(
        isMissing ? .missingFile : .unreadable, path: path,
        isMissing
          ? "no such file; fetch the checkpoint again, it is incomplete"
          : "cannot be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw CheckpointError(.unreadable, path: path, "is not a regular file")
    }
    self.path = path
    let byteCount = Int(status.st_size)
    guard byteCount > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      start != MAP_FAILED
    else {
      throw CheckpointError(
        .unreadable, path: path, "cannot be mapped: \(String(cString: strerror(errno)))")
    }
    bytes = UnsafeRawBufferPointer(start: start, count: byteCount)
    cvar_mapping_add(start, byteCount, path)
  }

  deinit {
    if let start = bytes.baseAddress {
      cvar_mapping_remove(start)
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }

  /// Asks the system to read `part` ahead of its use.
  func prefetch(_ part: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, let start = part.baseAddress, part.count > 0 else { return }
    let first = (start - base) / Int(getpagesize()) * Int(getpagesize())
    madvise(
      UnsafeMutableRawPointer(mutating: base + first), start - base + part.count - first,
      MADV_WILLNEED)
  }

  /// Gives the pages inside `part` back to the system; they are read again when touched.
  func discard(_ part: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, let start = part.baseAddress else { return }
    let pageSize = Int(getpagesize())
    let first = ((start - base) + pageSize - 1) / pageSize * pageSize
    let end = (start - base + part.count) / pageSize * pageSize
    guard first < end else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED)
  }
}
