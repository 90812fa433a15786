#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that appears under its name only when it is complete.
///
/// The bytes go to `<path>.partial`, which is locked against a second writer, removed on failure unless it is to be
/// continued, and renamed when it is safely on the disk. A file that is mounted by itself cannot be renamed over: the
/// complete bytes are copied into it. In a folder that takes no new file they go into an existing one from the start.
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
  /// Whether the bytes go into the file itself: then a stop leaves nothing to go on with.
  let isInPlace: Bool
  /// Whether the former content of a file that is written in place is gone.
  private var isEmptied = false
  /// Whether the partial file holds all that the file will.
  private var isComplete = false
  private var droppedEnd = 0
  private static let droppedByteCount = 8 << 20

  /// - Parameter isResuming: leaves the content of a partial file as it is.
  init(path: String, overwrite: Bool, isResuming: Bool = false) throws(VQ4Error) {
    self.path = path
    self.overwrite = overwrite
    let partialPath = path + ".partial"
    self.partialPath = partialPath
    try Self.refuseExistingOutput(path, overwrite: overwrite)
    var handle = open(
      partialPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    let code = errno
    isInPlace =
      handle < 0 && [EACCES, EPERM, EROFS].contains(code) && access(partialPath, F_OK) != 0
      && access(path, F_OK) == 0
    if isInPlace { handle = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK) }
    descriptor = handle
    if descriptor < 0 { errno = code }
    guard descriptor >= 0 else { throw failure("cannot be created") }
    try lock(isResuming: isResuming)
  }

  deinit { abandon() }

  /// Takes over the partial file; one that an earlier, broken run left behind is emptied unless it is continued. A file
  /// that is written in place keeps its content until the first write.
  private func lock(isResuming: Bool) throws(VQ4Error) {
    var opened = stat()
    var named = stat()
    // File systems without locks give other errors: there nobody can tell.
    let isLocked = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    guard !isLocked, fstat(descriptor, &opened) == 0,
      (isInPlace ? stat(path, &named) : lstat(partialPath, &named)) == 0,
      opened.st_ino == named.st_ino, opened.st_dev == named.st_dev
    else {
      // The name may by now belong to another writer: leave it.
      close(descriptor)
      descriptor = -1
      throw VQ4Error(
        .outputBusy, path: isInPlace ? path : partialPath, "another program is writing this file",
        remedy: .chooseOtherOutput)
    }
    guard opened.st_mode & S_IFMT == S_IFREG,
      isResuming || isInPlace || ftruncate(descriptor, 0) == 0
    else {
      throw failure("cannot be emptied")
    }
  }

  /// Bytes of the partial file.
  var byteCount: Int {
    guard !isInPlace || isEmptied else { return 0 }
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Bytes of the disk that the partial file takes, or that the former content leaves to it.
  var allocatedByteCount: Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : 0
  }

  private static func refuseExistingOutput(_ path: String, overwrite: Bool) throws(VQ4Error) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let isFile = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    // An empty file holds a place, as one that a container mounts.
    if isFile, status.st_size == 0 { return }
    guard !isFile || overwrite else {
      throw VQ4Error(.outputExists, path: path, "the file exists", remedy: .chooseOutput)
    }
    guard isFile, try isModel(path) else {
      throw VQ4Error(
        .outputExists, path: path, "something else than a .vq4 file has this name",
        remedy: .chooseOtherOutput)
    }
  }

  /// Whether nothing but a model is lost when the file of this name is replaced. One whose writer was killed begins
  /// with zeros.
  private static func isModel(_ path: String) throws(VQ4Error) -> Bool {
    let handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard handle >= 0 else {
      let code = errno
      guard code == EMFILE || code == ENFILE else { return false }
      throw VQ4Error(
        .writeFailed, path: path, "cannot be looked at: \(systemMessage(code))",
        remedy: .allowFiles, systemError: code)
    }
    defer { close(handle) }
    var start = [UInt8](repeating: 1, count: VQ4Limits.superblockBytes)
    let count = start.withUnsafeMutableBytes { pread(handle, $0.baseAddress, $0.count, 0) }
    return start.prefix(max(0, count)).starts(with: Format.magic) || start.allSatisfy { $0 == 0 }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VQ4Error) {
    if isInPlace, !isEmptied {
      isEmptied = true
      try truncate(to: 0)
    }
    try write(bytes, at: offset, to: descriptor)
    writeBehind(offset + bytes.count)
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int, to file: Int32
  ) throws(VQ4Error) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        file, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be written") }
      done += count
    }
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
    guard !isInPlace || isEmptied else { return }
    guard ftruncate(descriptor, off_t(count)) == 0 else { throw failure("cannot be cut") }
  }

  /// The bytes and the size, but not the times.
  func synchronizeData() throws(VQ4Error) {
    guard DiskFlush.data(descriptor) else { throw failure("cannot be flushed to the disk") }
  }

  func synchronize() throws(VQ4Error) {
    guard DiskFlush.all(descriptor) else { throw failure("cannot be flushed to the disk") }
  }

  /// Gives the complete file its name.
  func publish() throws(VQ4Error) {
    try synchronize()
    if !isInPlace {
      isComplete = true
      do throws(VQ4Error) {
        try Self.refuseExistingOutput(path, overwrite: overwrite)
      } catch {
        throw VQ4Error(
          error.code, path: path, error.problem + kept,
          remedy: VQ4Error.Remedy(rawValue: error.remedy) ?? .chooseOutput,
          systemError: error.systemError)
      }
      if rename(partialPath, path) != 0 { try fill(instead: errno) }
    }
    close(descriptor)
    descriptor = -1
    if !isInPlace { try synchronizeDirectory() }
  }

  /// Copies the complete bytes into the file, which cannot be replaced: it is mounted by itself, or belongs to another
  /// user in a folder like /tmp.
  ///
  /// - Parameter code: why it could not be renamed.
  private func fill(instead code: Int32) throws(VQ4Error) {
    let canCopy = [EBUSY, EPERM, EACCES, EXDEV, EROFS].contains(code)
    let target = canCopy ? open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK) : -1
    guard target >= 0 else {
      errno = code
      throw failure("cannot be renamed")
    }
    defer { close(target) }
    var status = stat()
    let count = byteCount
    let former = fstat(target, &status) == 0 ? Int(status.st_blocks) * 512 : 0
    if let free = FreeSpace.byteCount(on: path), free + former < count {
      errno = ENOSPC
      throw failure("cannot be renamed, and a copy does not fit")
    }
    guard ftruncate(target, 0) == 0 else { throw failure("cannot be emptied") }
    do throws(VQ4Error) {
      try copy(count, to: target)
    } catch {
      // An empty file holds the place for the next attempt.
      ftruncate(target, 0)
      throw error
    }
    unlink(partialPath)
  }

  /// The beginning last: until then nobody takes the file for a finished one.
  private func copy(_ count: Int, to target: Int32) throws(VQ4Error) {
    let partBytes = 1 << 20
    let buffer = AlignedBuffer(count: partBytes)
    for offset in stride(from: 0, to: count, by: partBytes).reversed() {
      let part = buffer.prefix(min(partBytes, count - offset))
      try read(into: part, at: offset)
      try write(UnsafeRawBufferPointer(part), at: offset, to: target)
    }
    guard DiskFlush.all(target) else { throw failure("cannot be flushed to the disk") }
  }

  private func synchronizeDirectory() throws(VQ4Error) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // Without the right to read the directory it cannot be flushed; the file itself is safe.
    guard handle >= 0 else { return }
    defer { close(handle) }
    guard DiskFlush.all(handle) else {
      throw failure("its directory cannot be flushed to the disk")
    }
  }

  /// Lets go of the partial file and removes it, unless it is complete or a later run is to continue it; without effect
  /// once the file is published. Of a file that was written in place nothing is left.
  func abandon() {
    guard descriptor >= 0 else { return }
    if isEmptied { ftruncate(descriptor, 0) }
    if !keepsPartial, !isComplete, !isInPlace { unlink(partialPath) }
    close(descriptor)
    descriptor = -1
  }

  /// Where the work is, if it is done.
  private var kept: String { isComplete ? "; the complete file is \(partialPath)" : "" }

  private func failure(_ problem: String) -> VQ4Error {
    let code = errno
    return VQ4Error(
      .writeFailed, path: path, "\(problem): \(systemMessage(code))\(kept)",
      remedy: code == EMFILE ? .allowFiles : .freeSpace, systemError: code)
  }
}
