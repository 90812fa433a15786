import Synchronization
import VARJSON
import VARLite
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes whole files or nothing: beside the target first, then renamed over it.
///
/// A file that is mounted by itself or that stands in a folder which takes no new file cannot be replaced; it is
/// written in place. Names are bytes here: a link may lead to one that is no text.
enum FileOutput {
  /// A descriptor for the file, held while the work may open others: what is done must not be lost for want of one.
  private static let spare = Mutex<Int32>(-1)

  private static func holdSpare(_ isHeld: Bool) {
    spare.withLock { spare in
      if isHeld, spare < 0 { spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) }
      if !isHeld, spare >= 0 {
        close(spare)
        spare = -1
      }
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws(GenerationError) {
    holdSpare(false)
    defer { holdSpare(true) }
    guard path != "-" else {
      Console.output(bytes)
      if let failure = Console.outputFailure { throw failure }
      return
    }
    // A device or a named pipe takes the bytes itself; renaming would put a file in its place.
    if let kind = kind(path), kind != S_IFREG {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0, send(bytes, closing: descriptor) else { throw failure(path) }
      return
    }
    let target = resolved(path)
    let partial = partialName(target)
    let descriptor = create(partial)
    guard descriptor >= 0 else {
      guard isFolderClosed(errno), overwrite(target, bytes) else { throw failure(path) }
      return
    }
    guard send(bytes, closing: descriptor, isFlushed: true) else {
      let error = failure(path)
      unlink(partial)
      throw error
    }
    if rename(partial, target) == 0 { return }
    let reason = errno
    guard isFolderClosed(reason) || [EBUSY, EXDEV].contains(reason), overwrite(target, bytes) else {
      if errno == ENOENT { errno = reason }
      throw failure(path, "; the result is in \(text(partial))")
    }
    unlink(partial)
  }

  /// Checks before the work that a file can be made at `path`, and that none of `inputs` is lost by it.
  static func check(_ path: String, sparing inputs: [String] = []) throws(GenerationError) {
    guard path != "-" else { return }
    holdSpare(false)
    defer { holdSpare(true) }
    guard !path.isEmpty else {
      throw GenerationError(.invalidRequest, "the output has an empty name; name a file")
    }
    for input in inputs where resolved(path) == resolved(input) {
      throw GenerationError(
        .invalidRequest, "\(path): this run reads or writes that file already; name another output")
    }
    let kind = kind(path)
    if kind == S_IFDIR {
      throw GenerationError(.cannotWrite, "\(path): is a directory; name a file")
    }
    guard kind == nil || access(path, W_OK) == 0 else { throw failure(path) }
    guard kind == nil || kind == S_IFREG else { return }
    let name = partialName(resolved(path))
    let descriptor = create(name)
    guard descriptor >= 0 else {
      if kind != nil, isFolderClosed(errno) { return }
      throw failure(path)
    }
    close(descriptor)
    unlink(name)
  }

  /// Prints the JSON object of a run whose file went to `path`: standard output holds one thing.
  static func report(_ object: JSONObject, beside path: String) {
    let text = JSONValue.object(object).text
    if path == "-" { Console.error(text) } else { Console.output(text + "\n") }
  }

  static func exists(_ path: String) -> Bool { kind(path) != nil }

  /// Whether the path is a device, a pipe or a socket.
  static func isSpecial(_ path: String) -> Bool {
    kind(path).map { $0 != S_IFREG && $0 != S_IFDIR } ?? false
  }

  /// Type bits of the file, links followed; nil where there is none.
  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  private static func failure(_ path: String, _ more: String = "") -> GenerationError {
    let isShortOfFiles = errno == EMFILE || errno == ENFILE
    let remedy = isShortOfFiles ? "; raise the limit on open files (ulimit -n)" : ""
    return GenerationError(
      .cannotWrite,
      "\(path): cannot be written: \(String(cString: strerror(errno)))\(remedy)\(more)")
  }
}

// MARK: Names that end with 0, as the system takes them

extension FileOutput {
  /// The path without links; as it is where there is no such file.
  private static func resolved(_ path: String) -> [CChar] {
    guard let name = realpath(path, nil) else { return Array(path.utf8CString) }
    defer { free(name) }
    return Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
  }

  private static func partialName(_ target: [CChar]) -> [CChar] {
    target.dropLast() + ".\(getpid()).partial".utf8CString
  }

  /// For a message.
  private static func text(_ name: [CChar]) -> String {
    String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func create(_ name: [CChar]) -> Int32 {
    open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
  }

  /// Whether an error says that a folder takes no new file.
  private static func isFolderClosed(_ code: Int32) -> Bool {
    [EACCES, EPERM, EROFS].contains(code)
  }

  /// Replaces the content of an existing file. Returns false, with the reason in errno, where that failed; where the
  /// room is missing, the former content stays.
  private static func overwrite(_ name: [CChar], _ bytes: [UInt8]) -> Bool {
    let descriptor = open(name, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    var status = stat()
    let earlier = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    let code =
      bytes.count > earlier
      ? posix_fallocate(descriptor, off_t(earlier), off_t(bytes.count - earlier)) : 0
    guard ![ENOSPC, EDQUOT, EFBIG].contains(code) else {
      ftruncate(descriptor, off_t(earlier))
      close(descriptor)
      errno = code
      return false
    }
    return send(bytes, closing: descriptor, isFlushed: true, isCut: true)
  }

  /// Writes all bytes and closes the file. Returns false, with the reason in errno, where a part of that failed.
  private static func send(
    _ bytes: [UInt8], closing descriptor: Int32, isFlushed: Bool = false, isCut: Bool = false
  ) -> Bool {
    let isDone =
      Console.send(bytes, to: descriptor)
      && (!isCut || ftruncate(descriptor, off_t(bytes.count)) == 0)
      && (!isFlushed || DiskFlush.all(descriptor))
    let reason = errno
    let isClosed = close(descriptor) == 0
    if !isDone { errno = reason }
    return isDone && isClosed
  }
}
