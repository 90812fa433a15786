import VARJSON
import VARSystem

/// A regular file that is read, never mapped; symbolic links are followed.
///
/// A mapped file that shrinks, or a disk that fails, would end the process with SIGBUS; a read says what happened.
/// Mapped pages would also count as memory of the process. Threads may share it.
final class InputFile: Sendable {
  let path: String
  let byteCount: Int
  /// When the content last changed, in seconds and nanoseconds since 1970.
  let modificationTime: (seconds: Int, nanoseconds: Int)
  let identity: FileStatus.Identity
  private let file: OpenFile

  init(path: String) throws(CheckpointError) {
    self.path = path
    let status: FileStatus
    do throws(SystemError) {
      file = try OpenFile(path, .reading)
      status = try file.status()
    } catch {
      throw CheckpointError(
        error.isMissing ? .missingFile : .unreadable, path: path,
        error.isMissing
          ? "no such file; fetch the checkpoint again, it is incomplete"
          : "\(error)\(error.advice)")
    }
    guard status.kind == .regular else {
      throw CheckpointError(.unreadable, path: path, "is not a regular file")
    }
    byteCount = status.byteCount
    modificationTime = status.modificationTime
    identity = status.identity
  }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// Throws `unreadable` where the disk fails, `changed` where the file ends before.
  func read(
    from offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    do throws(SystemError) {
      try file.read(into: buffer, at: offset)
    } catch {
      throw failure(error)
    }
  }

  /// The whole file, for other ways to read it; their errors go through `failure`.
  var region: FileRegion { FileRegion(of: file, path: path, 0..<byteCount) }

  func failure(_ error: SystemError) -> CheckpointError {
    guard case .read(let offset) = error.attempt else {
      return CheckpointError(
        .unreadable, path: path, "cannot be asked for its size: \(error.message)")
    }
    guard error.isEndOfFile else {
      return CheckpointError(
        .unreadable, path: path,
        "cannot be read at byte \(offset): \(error.message); check the disk, or copy the file again"
      )
    }
    return CheckpointError(
      .changed, path: path,
      "ends at byte \(offset), but had \(byteCount) bytes when it was opened; "
        + "it was cut while it was read, copy it again")
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
    try requireMemory(count)
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

  /// Memory for bytes of the file.
  func memory(_ byteCount: Int) throws(CheckpointError) -> HeapMemory {
    do throws(SystemError) { return try HeapMemory(byteCount: byteCount) } catch {
      throw noMemory(byteCount)
    }
  }

  /// Throws `notEnoughMemory` where an array of a size that the file decides would end the process.
  func requireMemory(_ byteCount: Int) throws(CheckpointError) {
    do throws(SystemError) { try HeapMemory.require(byteCount) } catch {
      throw noMemory(byteCount)
    }
  }

  func noMemory(_ byteCount: Int) -> CheckpointError {
    CheckpointError(
      .notEnoughMemory, path: path,
      "the system gave no memory for \(byteCount) bytes of it; free memory, or raise the limit on "
        + "it (ulimit -v)")
  }

  /// Throws `changed` where size or time of change are not those of the opening.
  func checkUnchanged() throws(CheckpointError) {
    let status: FileStatus
    do throws(SystemError) {
      status = try file.status()
    } catch {
      throw failure(error)
    }
    guard status.byteCount == byteCount, status.modificationTime == modificationTime else {
      throw CheckpointError(
        .changed, path: path,
        "was changed while it was read (\(byteCount) bytes when it was opened, "
          + "\(status.byteCount) now); leave the checkpoint alone and start again")
    }
  }

  /// Asks the system to read `count` bytes from `offset` on ahead of their use.
  func prefetch(from offset: Int, count: Int) {
    file.willNeed(offset..<offset + count)
  }

  /// Gives `count` bytes from `offset` on back to the system, which may hold them in memory.
  func discard(from offset: Int, count: Int) {
    file.forget(offset..<offset + count)
  }
}
