#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that appears under its name only when it is complete.
///
/// The bytes go to `<path>.partial`, which is locked against a second writer, removed on failure unless it is to be
/// continued, and renamed when it is safely on the disk.
final class OutputFile {
  let path: String
  private let partialPath: String
  private let overwrite: Bool
  private var descriptor: Int32
  /// Whether what is written goes to the disk at once and need not stay in the system's memory, so that a long run does
  /// not push everything else out of it.
  var dropsCache = false
  /// Whether giving up leaves the partial file for a later run.
  var keepsPartial = false
  private var droppedEnd = 0
  private static let droppedByteCount = 8 << 20

  /// - Parameter isResuming: leaves the content of a partial file as it is.
  init(path: String, overwrite: Bool, isResuming: Bool = false) throws(VQ4Error) {
    self.path = path
    self.overwrite = overwrite
    partialPath = path + ".partial"
    descriptor = -1
    try refuseExistingOutput()
    descriptor = open(partialPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    guard descriptor >= 0 else { throw failure("cannot be created") }
    try lock(isResuming: isResuming)
  }

  deinit { abandon() }

  /// Takes over the partial file; one that an earlier, broken run left behind is emptied unless it is continued.
  private func lock(isResuming: Bool) throws(VQ4Error) {
    var opened = stat()
    var named = stat()
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &opened) == 0,
      lstat(partialPath, &named) == 0, opened.st_ino == named.st_ino,
      opened.st_dev == named.st_dev
    else {
      // The name may by now belong to another writer: leave it.
      close(descriptor)
      descriptor = -1
      throw VQ4Error(
        .outputBusy, path: partialPath, "another program is writing this file",
        remedy: .chooseOutput)
    }
    guard opened.st_mode & S_IFMT == S_IFREG, isResuming || ftruncate(descriptor, 0) == 0 else {
      throw failure("cannot be emptied")
    }
  }

  /// Bytes of the partial file.
  var byteCount: Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Bytes of the disk that the partial file takes.
  var allocatedByteCount: Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : 0
  }

  private func refuseExistingOutput() throws(VQ4Error) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard overwrite else {
      throw VQ4Error(.outputExists, path: path, "the file exists", remedy: .chooseOutput)
    }
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, isModelOrEmpty() else {
      throw VQ4Error(
        .outputExists, path: path, "something else than a .vq4 file has this name",
        remedy: .chooseOutput)
    }
  }

  /// Whether nothing but a model is lost when the file of this name is replaced.
  private func isModelOrEmpty() -> Bool {
    let handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard handle >= 0 else { return false }
    defer { close(handle) }
    var start = [UInt8](repeating: 0, count: Format.magic.count)
    let count = start.withUnsafeMutableBytes { pread(handle, $0.baseAddress, $0.count, 0) }
    return count == 0 || start == Format.magic
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VQ4Error) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be written") }
      done += count
    }
    writeBehind(offset + bytes.count)
  }

  /// Starts to write what lies before `end` to the disk, and gives up the memory of what has arrived there.
  private func writeBehind(_ end: Int) {
    guard dropsCache, end - droppedEnd >= Self.droppedByteCount else { return }
    // The first call starts the writing, a later one finds the pages clean and drops them.
    let start = max(0, droppedEnd - 8 * Self.droppedByteCount)
    posix_fadvise(descriptor, off_t(start), off_t(end - start), POSIX_FADV_DONTNEED)
    droppedEnd = end
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(VQ4Error) {
    let buffer = AlignedBuffer(count: bytes.count)
    buffer.prefix(bytes.count).copyBytes(from: bytes)
    try write(UnsafeRawBufferPointer(buffer.prefix(bytes.count)), at: offset)
  }

  func read(into output: UnsafeMutableRawBufferPointer, at offset: Int) throws(VQ4Error) {
    var done = 0
    while done < output.count {
      let count = pread(
        descriptor, output.baseAddress! + done, output.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be read back") }
      done += count
    }
  }

  func truncate(to count: Int) throws(VQ4Error) {
    guard ftruncate(descriptor, off_t(count)) == 0 else { throw failure("cannot be cut") }
  }

  /// The bytes and the size, but not the times.
  func synchronizeData() throws(VQ4Error) {
    guard fdatasync(descriptor) == 0 else { throw failure("cannot be flushed to the disk") }
  }

  func synchronize() throws(VQ4Error) {
    guard fsync(descriptor) == 0 else { throw failure("cannot be flushed to the disk") }
  }

  /// Gives the complete file its name.
  func publish() throws(VQ4Error) {
    try synchronize()
    try refuseExistingOutput()
    guard rename(partialPath, path) == 0 else { throw failure("cannot be renamed") }
    close(descriptor)
    descriptor = -1
    try synchronizeDirectory()
  }

  private func synchronizeDirectory() throws(VQ4Error) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // Without the right to read the directory it cannot be flushed; the file itself is safe.
    guard handle >= 0 else { return }
    defer { close(handle) }
    guard fsync(handle) == 0 || errno == EINVAL else {
      throw failure("its directory cannot be flushed to the disk")
    }
  }

  /// Lets go of the partial file and removes it, unless a later run is to continue it; without effect once the file is
  /// published.
  func abandon() {
    guard descriptor >= 0 else { return }
    if !keepsPartial { unlink(partialPath) }
    close(descriptor)
    descriptor = -1
  }

  private func failure(_ problem: String) -> VQ4Error {
    let code = errno
    return VQ4Error(
      .writeFailed, path: path, "\(problem): \(systemMessage(code))", remedy: .freeSpace,
      systemError: code)
  }
}
