#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An open file. It is closed with its owner.
///
/// Threads may share it: every read and write states its place.
package final class OpenFile: Sendable {
  let descriptor: Int32
  /// Whether it was opened by a name.
  let hasName: Bool

  /// - Parameter path: ends with 0, as a `String` does that is given here.
  package init(_ path: UnsafePointer<CChar>, _ mode: OpenMode) throws(SystemError) {
    descriptor = open(path, mode.flags, mode.permissions)
    hasName = true
    guard descriptor >= 0 else { throw SystemError(mode.attempt) }
  }

  /// A file that is open already, by a descriptor of its own.
  ///
  /// - Parameter descriptor: stays the caller's.
  package init(duplicating descriptor: Int32) throws(SystemError) {
    self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    hasName = false
    guard self.descriptor >= 0 else { throw SystemError(.open) }
  }

  deinit { close(descriptor) }

  package func status() throws(SystemError) -> FileStatus {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SystemError(.examine) }
    return FileStatus(status)
  }

  /// Whether nobody else had the file for writing; this object has it from now on. File systems without locks say yes.
  package func lock() -> Bool {
    flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
  }

  /// Waits until what was written is on the disk; see ``DiskFlush``.
  package func flush() throws(SystemError) {
    guard DiskFlush.all(descriptor) else { throw SystemError(.flush) }
  }

  /// The same for the bytes and the size, but not the times.
  package func flushData() throws(SystemError) {
    guard DiskFlush.data(descriptor) else { throw SystemError(.flush) }
  }

  package func truncate(to byteCount: Int) throws(SystemError) {
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw SystemError(.truncate) }
  }

  /// Asks the system to read a part ahead of its use.
  package func willNeed(_ range: Range<Int>) { advise(range, POSIX_FADV_WILLNEED) }

  /// Asks the system to read what is asked for and nothing beyond it, as it else does once reads follow each other.
  func stopReadingAhead() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM) }

  /// Asks the system to begin to write a part to the disk, and to give up its memory where it is there already.
  package func forget(_ range: Range<Int>) { advise(range, POSIX_FADV_DONTNEED) }

  /// Has the system forget what it holds of the file in memory.
  package func forget() {
    fsync(descriptor)
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }

  private func advise(_ range: Range<Int>, _ advice: Int32) {
    posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), advice)
  }
}

// MARK: Reading and writing

extension OpenFile {
  /// Fills `output` with the bytes from `offset` on.
  ///
  /// - Throws: `read`, with the place where it failed or where the file ended.
  package func read(
    into output: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(SystemError) {
    let count = try readAvailable(into: output, at: offset)
    guard count == output.count else { throw SystemError(.read(at: offset + count), 0) }
  }

  /// The bytes from `offset` on, fewer than `count` where the file ends before.
  package func bytes(at offset: Int, count: Int) throws(SystemError) -> [UInt8] {
    var failure: SystemError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      do throws(SystemError) {
        initializedCount = try readAvailable(
          into: UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]),
          at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// The values from `offset` on, as they lie in memory.
  ///
  /// - Throws: `read`, with the place where it failed or where the file ended.
  package func values<Value: BitwiseCopyable>(
    at offset: Int, count: Int, of type: Value.Type = Value.self
  ) throws(SystemError) -> [Value] {
    var failure: SystemError?
    let values = [Value](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      do throws(SystemError) {
        try read(
          into: UnsafeMutableRawBufferPointer(
            start: buffer.baseAddress, count: count * MemoryLayout<Value>.stride), at: offset)
        initializedCount = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// Returns how many bytes came before the end of the file.
  private func readAvailable(
    into output: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(SystemError) -> Int {
    var done = 0
    while done < output.count {
      let count = pread(
        descriptor, output.baseAddress! + done, output.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError(.read(at: offset + done)) }
      guard count > 0 else { break }
      done += count
    }
    return done
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(SystemError) {
    var failure: SystemError?
    bytes.withUnsafeBytes { buffer in
      do throws(SystemError) {
        try write(buffer, at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw SystemError(.write) }
      done += count
    }
  }
}
