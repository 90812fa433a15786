#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The bytes of an open file, read or mapped in parts as they are needed, or a private copy of bytes in memory.
///
/// Sendable because nothing writes to the bytes after `init`.
final class FileBytes: @unchecked Sendable {
  let path: String
  let byteCount: Int
  /// The open file; nil for a copy in memory.
  let descriptor: Int32?
  /// The copy in memory.
  let copy: UnsafeRawBufferPointer?

  static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

  init(path: String) throws(VQ4Error) {
    // Without O_NONBLOCK opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.systemFailure("cannot be opened") }
    do throws(VQ4Error) {
      byteCount = try Self.checkedByteCount(descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
    copy = nil
  }

  init(copying source: UnsafeRawBufferPointer) throws(VQ4Error) {
    guard source.count > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: source.count, alignment: VQ4Limits.streamAlignment)
    copy.copyMemory(from: source)
    self.copy = UnsafeRawBufferPointer(copy)
    byteCount = source.count
    path = ""
    descriptor = nil
  }

  deinit {
    if let descriptor { close(descriptor) }
    copy?.deallocate()
  }

  private static func checkedByteCount(_ descriptor: Int32) throws(VQ4Error) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw systemFailure("cannot be examined") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw VQ4Error(.notARegularFile, "not a regular file", remedy: .checkPath)
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    guard size <= VQ4Limits.maximumFileBytes else {
      throw VQ4Error(
        .sectionOutOfBounds, "the file is larger than the format allows",
        expected: "at most \(VQ4Error.bytes(VQ4Limits.maximumFileBytes))",
        found: VQ4Error.bytes(size), remedy: .checkPath)
    }
    return size
  }

  /// Fills `output` with the bytes from `offset` on.
  func read(
    into output: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(VQ4Error) {
    guard let descriptor else {
      output.copyMemory(from: copy!.part(offset, output.count))
      return
    }
    var done = 0
    while done < output.count {
      let count = pread(
        descriptor, output.baseAddress! + done, output.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw VQ4File.readFailure(count, at: offset + done) }
      done += count
    }
  }

  /// A few bytes.
  func bytes(_ range: Range<Int>) throws(VQ4Error) -> AlignedBuffer {
    let buffer = AlignedBuffer(count: range.count)
    try read(into: buffer.prefix(range.count), at: range.lowerBound)
    return buffer
  }

  /// Whether `mincore` tells the truth: for a file that the process neither owns nor may write, it says that everything
  /// is there.
  var tellsCached: Bool {
    guard let descriptor else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_uid == geteuid() || access("/proc/self/fd/\(descriptor)", W_OK) == 0
  }

  static func systemFailure(_ problem: String) -> VQ4Error {
    let code = errno
    return VQ4Error(
      .cannotOpen, "\(problem): \(systemMessage(code))",
      remedy: code == EMFILE || code == ENFILE ? .allowFiles : .checkPath, systemError: code)
  }
}

/// The system's words for an `errno`.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
