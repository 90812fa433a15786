import VARSystem

/// The bytes of an open file, read or mapped in parts as they are needed, or a private copy of bytes in memory.
///
/// Sendable because nothing writes to the bytes after `init`.
final class FileBytes: @unchecked Sendable {
  let byteCount: Int
  /// The open file; nil for a copy in memory.
  let region: FileRegion?
  /// The copy in memory.
  let copy: UnsafeRawBufferPointer?

  init(path: String) throws(VQ4Error) {
    let (file, status) = try Self.open(path)
    byteCount = try Self.checkedByteCount(status)
    region = FileRegion(of: file, path: path, 0..<byteCount)
    copy = nil
  }

  init(copying source: UnsafeRawBufferPointer) throws(VQ4Error) {
    guard source.count > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: source.count, alignment: VQ4Limits.streamAlignment)
    copy.copyMemory(from: source)
    self.copy = UnsafeRawBufferPointer(copy)
    byteCount = source.count
    region = nil
  }

  deinit { copy?.deallocate() }

  private static func open(_ path: String) throws(VQ4Error) -> (OpenFile, FileStatus) {
    do throws(SystemError) {
      let file = try OpenFile(path, .reading)
      return (file, try file.status())
    } catch {
      throw VQ4Error(
        .cannotOpen, "\(error)", remedy: error.isShortOfFiles ? .allowFiles : .checkPath,
        systemError: error.code)
    }
  }

  private static func checkedByteCount(_ status: FileStatus) throws(VQ4Error) -> Int {
    guard status.kind == .regular else {
      throw VQ4Error(.notARegularFile, "not a regular file", remedy: .checkPath)
    }
    let size = status.byteCount
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
    guard let region else {
      output.copyMemory(from: copy!.part(offset, output.count))
      return
    }
    do throws(SystemError) {
      try region.read(into: output, at: offset)
    } catch {
      throw VQ4Error(reading: error)
    }
  }

  /// A few bytes.
  func bytes(_ range: Range<Int>) throws(VQ4Error) -> AlignedBuffer {
    let buffer = AlignedBuffer(count: range.count)
    try read(into: buffer.prefix(range.count), at: range.lowerBound)
    return buffer
  }
}

extension VQ4Error {
  /// A read that failed, or that met the end of the file.
  init(reading error: SystemError) {
    var offset: Int?
    if case .read(let place) = error.attempt { offset = place }
    guard !error.isEndOfFile else {
      self.init(.truncated, "the file was cut short while it was in use", offsetBytes: offset)
      return
    }
    self.init(
      .readFailed, "\(error)", offsetBytes: offset, remedy: .checkDisk, systemError: error.code)
  }
}
