import VARJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A regular file that is read, never mapped; symbolic links are followed.
///
/// A mapped file that shrinks, or a disk that fails, would end the process with SIGBUS; a read says what happened.
/// Mapped pages would also count as memory of the process. Threads may share it.
final class InputFile: Sendable {
  let path: String
  let byteCount: Int
  /// When the content last changed, in seconds and nanoseconds since 1970.
  let modificationTime: (seconds: Int, nanoseconds: Int)
  private let descriptor: Int32

  init(path: String) throws(CheckpointError) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    let code = errno
    self.path = path
    guard descriptor >= 0 else {
      let isMissing = code == ENOENT
      throw CheckpointError(
        isMissing ? .missingFile : .unreadable, path: path,
        isMissing
          ? "no such file; fetch the checkpoint again, it is incomplete"
          : "cannot be opened: \(String(cString: strerror(code)))"
            + (code == EMFILE ? "; raise the limit on open files (ulimit -n)" : ""))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw CheckpointError(.unreadable, path: path, "is not a regular file")
    }
    byteCount = Int(status.st_size)
    modificationTime = Self.modificationTime(status)
  }

  deinit { close(descriptor) }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// Throws `unreadable` where the disk fails, `changed` where the file ends before.
  func read(
    from offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    var done = 0
    while done < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw CheckpointError(
          .unreadable, path: path,
          "cannot be read at byte \(offset + done): \(String(cString: strerror(errno))); "
            + "check the disk, or copy the file again")
      }
      guard count > 0 else {
        throw CheckpointError(
          .changed, path: path,
          "ends at byte \(offset + done), but had \(byteCount) bytes when it was opened; "
            + "it was cut while it was read, copy it again")
      }
      done += count
    }
  }

  /// Throws `unsupportedFormat` where the file is what downloads leave in the place of it.
  func checkContent() throws(CheckpointError) {
    let start = try readBytes(count: min(byteCount, ForeignContent.sampleByteCount))
    // Any two bytes may begin a length, also those of a mark of UTF-16.
    if let foreign = ForeignContent(of: start), foreign != .utf16 {
      throw CheckpointError(.unsupportedFormat, path: path, foreign.description)
    }
  }

  /// The first `count` bytes.
  func readBytes(count: Int) throws(CheckpointError) -> [UInt8] {
    try readBytes(from: 0, count: count)
  }

  /// `count` bytes from `offset` on.
  func readBytes(from offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var failure: CheckpointError?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(CheckpointError) {
        try read(from: offset, into: buffer)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Throws `changed` where size or time of change are not those of the opening.
  func checkUnchanged() throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw CheckpointError(
        .unreadable, path: path, "cannot be asked for its size: \(String(cString: strerror(errno)))"
      )
    }
    guard Int(status.st_size) == byteCount, Self.modificationTime(status) == modificationTime else {
      throw CheckpointError(
        .changed, path: path,
        "was changed while it was read (\(byteCount) bytes when it was opened, "
          + "\(status.st_size) now); leave the checkpoint alone and start again")
    }
  }

  /// Asks the system to read `count` bytes from `offset` on ahead of their use.
  func prefetch(from offset: Int, count: Int) {
    posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
  }

  /// Gives `count` bytes from `offset` on back to the system, which may hold them in memory.
  func discard(from offset: Int, count: Int) {
    posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_DONTNEED)
  }

  private static func modificationTime(_ status: stat) -> (seconds: Int, nanoseconds: Int) {
    (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
  }
}
