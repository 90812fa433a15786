import VARSystem

/// The bytes of an open file, read or mapped in parts as they are needed, or a private copy of bytes in memory.
///
/// The file may be a region of a larger one: places count from its beginning. Everything that has to be opened is open
/// after `init`. Sendable because nothing writes to the bytes after `init`.
final class FileBytes: @unchecked Sendable {
  let byteCount: Int
  /// The open file, also for reads past the page cache; nil for a copy in memory.
  let direct: DirectFile?
  /// The copy in memory.
  let copy: UnsafeRawBufferPointer?
  private let copyOwner: AlignedBuffer?
  /// The whole file as it was when it was opened; nil for a copy in memory.
  private let opened: FileStatus?

  /// The open file; nil for a copy in memory.
  var region: FileRegion? { direct?.region }

  /// - Parameter length: nil: all up to the end of the file.
  convenience init(path: String, offset: Int, length: Int?) throws(VQ4Error) {
    let file: OpenFile
    do throws(SystemError) {
      file = try OpenFile(path, .reading)
    } catch {
      throw Self.refusal(error, .checkPath)
    }
    try self.init(of: file, path: path, offset: offset, length: length)
  }

  /// - Parameter descriptor: is duplicated.
  convenience init(
    descriptor: Int32, name: String, offset: Int, length: Int?
  ) throws(VQ4Error) {
    let file: OpenFile
    do throws(SystemError) {
      file = try OpenFile(duplicating: descriptor)
    } catch {
      throw Self.refusal(error, .checkInput)
    }
    try self.init(of: file, path: name, offset: offset, length: length)
  }

  private init(of file: OpenFile, path: String, offset: Int, length: Int?) throws(VQ4Error) {
    let status: FileStatus
    do throws(SystemError) {
      status = try file.status()
    } catch {
      throw Self.refusal(error, .checkPath)
    }
    let range = try Self.range(offset: offset, length: length, of: status)
    byteCount = range.count
    direct = DirectFile(FileRegion(of: file, path: path, range))
    copy = nil
    opened = status
    copyOwner = nil
  }

  init(copying source: UnsafeRawBufferPointer) throws(VQ4Error) {
    guard source.count > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    let memory = try AlignedBuffer(count: source.count)
    memory.bytes.copyMemory(from: source)
    copy = UnsafeRawBufferPointer(memory.bytes)
    copyOwner = memory
    byteCount = source.count
    direct = nil
    opened = nil
  }

  private static func refusal(_ error: SystemError, _ remedy: VQ4Error.Remedy) -> VQ4Error {
    VQ4Error(.cannotOpen, "\(error)", remedy: error.isShortOfFiles ? .allowFiles : remedy)
      .caused(by: error.code)
  }

  /// The bytes of a file that are the model.
  private static func range(
    offset: Int, length: Int?, of status: FileStatus
  ) throws(VQ4Error) -> Range<Int> {
    guard status.kind == .regular else {
      throw VQ4Error(.notARegularFile, "not a regular file", remedy: .checkPath)
    }
    let size = status.byteCount
    guard size > 0 else { throw VQ4Error(.emptyFile, "the file is empty") }
    guard (0..<size).contains(offset), (1...size - offset).contains(length ?? size - offset) else {
      let count = length.map(VQ4Error.bytes) ?? "all"
      throw VQ4Error(
        .regionOutOfBounds, "the model's region is not in the file",
        expected: "a part of its \(VQ4Error.bytes(size))",
        found: "\(count) from \(VQ4Error.grouped(offset)) on", remedy: .checkInput)
    }
    // Pages begin with multiples of it, so that what is aligned in the model is aligned in memory.
    let alignment = VQ4Limits.streamAlignment
    guard offset % alignment == 0 else {
      throw VQ4Error(
        .regionMisaligned, "the model's region begins where its streams are not aligned",
        expected: "an offset that is a multiple of \(alignment)", found: VQ4Error.grouped(offset),
        remedy: .checkInput)
    }
    let count = length ?? size - offset
    guard count <= VQ4Limits.maximumFileBytes else {
      throw VQ4Error(
        .sectionOutOfBounds, "the file is larger than the format allows",
        expected: "at most \(VQ4Error.bytes(VQ4Limits.maximumFileBytes))",
        found: VQ4Error.bytes(count), remedy: .checkPath)
    }
    return offset..<offset + count
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

  /// Throws `changedInUse` where the open file has another size, or was written to, since it was opened. Another file
  /// of its name is none of its business.
  func requireUnchanged() throws(VQ4Error) {
    guard let opened, let region else { return }
    let status: FileStatus
    do throws(SystemError) {
      status = try region.status()
    } catch {
      throw VQ4Error(reading: error)
    }
    let isCut = status.byteCount < opened.byteCount
    guard status.byteCount == opened.byteCount,
      status.modificationTime == opened.modificationTime
    else {
      throw VQ4Error(
        .changedInUse, "the file was \(isCut ? "cut short" : "overwritten") while it was in use",
        remedy: .openAgain)
    }
  }

  /// A few bytes.
  func bytes(_ range: Range<Int>) throws(VQ4Error) -> AlignedBuffer {
    let buffer = try AlignedBuffer(count: range.count)
    try read(into: buffer.prefix(range.count), at: range.lowerBound)
    return buffer
  }
}

extension VQ4Error {
  /// A read that failed, or that met the end of the file.
  init(reading error: SystemError) {
    if error.isEndOfFile {
      self.init(.truncated, "the file was cut short while it was in use")
    } else {
      self.init(.readFailed, "\(error)", remedy: .checkDisk)
      self = caused(by: error.code)
    }
    if case .read(let offset) = error.attempt { self = atOffset(offset) }
  }
}
