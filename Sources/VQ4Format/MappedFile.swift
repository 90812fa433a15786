import CVARFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The bytes of a file, mapped read-only, or a private copy of bytes in memory.
///
/// Sendable because nothing writes to the bytes after `init`. A file that shrinks while it is
/// mapped cannot be guarded against here: reading beyond its new end raises SIGBUS, for which
/// `MappingGuard` knows the mapping.
final class MappedFile: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  /// The open file; nil for a copy in memory.
  let descriptor: Int32?
  /// Whether the bytes are the file's own pages.
  var isMapped: Bool { descriptor != nil }

  static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

  init(path: String) throws(VQ4Error) {
    // Without O_NONBLOCK opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.systemFailure("cannot be opened") }
    do throws(VQ4Error) {
      bytes = try Self.map(descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    cvar_mapping_add(bytes.baseAddress, bytes.count, path)
  }

  private static func map(_ descriptor: Int32) throws(VQ4Error) -> UnsafeRawBufferPointer {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.systemFailure("cannot be examined") }
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
    let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw Self.systemFailure("cannot be mapped") }
    return UnsafeRawBufferPointer(start: address, count: size)
  }

  init(copying source: UnsafeRawBufferPointer) throws(VQ4Error) {
    guard source.count > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: source.count, alignment: VQ4Limits.streamAlignment)
    copy.copyMemory(from: source)
    bytes = UnsafeRawBufferPointer(copy)
    descriptor = nil
  }

  /// Whether `mincore` tells the truth: for a file that the process neither owns nor may write, it says that everything
  /// is there.
  var tellsCached: Bool {
    guard let descriptor else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_uid == geteuid() || access("/proc/self/fd/\(descriptor)", W_OK) == 0
  }

  /// The whole pages that hold a part of the file.
  func pages(of range: Range<Int>) -> UnsafeRawBufferPointer {
    let first = range.lowerBound / Self.pageSize * Self.pageSize
    return UnsafeRawBufferPointer(rebasing: bytes[first..<max(first, range.upperBound)])
  }

  deinit {
    if let descriptor {
      cvar_mapping_remove(bytes.baseAddress)
      close(descriptor)
      munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    } else {
      bytes.deallocate()
    }
  }

  private static func systemFailure(_ problem: String) -> VQ4Error {
    let code = errno
    return VQ4Error(
      .cannotOpen, "\(problem): \(systemMessage(code))", remedy: .checkPath, systemError: code)
  }
}

/// The system's words for an `errno`.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
