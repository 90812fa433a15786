import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes whole files or nothing: beside the target first, then renamed over it.
enum FileOutput {
  static func write(_ bytes: [UInt8], to path: String) throws(GenerationError) {
    guard path != "-" else {
      guard Console.write(bytes, to: STDOUT_FILENO) else { throw failure("standard output") }
      return
    }
    let temporary = "\(path).\(getpid()).partial"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    let written = Console.write(bytes, to: descriptor) && fsync(descriptor) == 0
    let reason = errno
    let closed = close(descriptor) == 0
    guard written, closed, rename(temporary, path) == 0 else {
      if !written { errno = reason }
      let error = failure(path)
      unlink(temporary)
      throw error
    }
  }

  /// Checks before the work that a file can be made at `path`.
  static func check(_ path: String) throws(GenerationError) {
    guard path != "-" else { return }
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw GenerationError(.cannotWrite, "\(path): is a directory; name a file")
    }
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    guard access(folder.isEmpty ? "/" : folder, W_OK) == 0 else { throw failure(path) }
  }

  private static func failure(_ path: String) -> GenerationError {
    GenerationError(.cannotWrite, "\(path): cannot be written: \(String(cString: strerror(errno)))")
  }
}
