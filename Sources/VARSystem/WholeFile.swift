#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that are read or written as a whole.
package enum WholeFile {
  /// The bytes of a file, or all that comes through a pipe; nil where they are more than `maximumCount`.
  package static func read(
    _ path: String, atMost maximumCount: Int
  ) throws(SystemError) -> [UInt8]? {
    let file = try OpenFile(path, .streaming)
    return try Descriptor.read(
      file.descriptor, atMost: maximumCount, expectedCount: try file.status().byteCount)
  }
}

// MARK: Writing

/// A file is written beside its place and renamed over it: it appears whole or not at all, and is on the disk by then.
///
/// A file that is mounted by itself or that stands in a folder which takes no new file cannot be replaced; it is
/// written in place. A device or a named pipe takes the bytes itself. Names are bytes here: a link may lead to one that
/// is no text.
extension WholeFile {
  /// - Throws: `rename` with the name of the file that holds the bytes, where only the last step failed.
  package static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
    try write(FileContent(bytes), to: path)
  }

  /// The same of bytes that come one piece after another.
  ///
  /// - Parameters:
  ///   - keepsUnnamed: whether a complete file that could not get its name is kept; else nothing is left.
  ///   - isFlushed: whether to wait until the disk has it. Without, a power cut may leave anything in its place.
  ///   - isPrivate: whether a file that is made is for this user alone.
  package static func write(
    _ bytes: FileContent, to path: String, keepsUnnamed: Bool = true, isFlushed: Bool = true,
    isPrivate: Bool = false
  ) throws(SystemError) {
    // Renaming would put a file in the place of a device.
    if let kind = FileStatus(path)?.kind, kind != .regular {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw SystemError(.open) }
      return try send(bytes, closing: descriptor)
    }
    let target = try resolved(path)
    let (partial, descriptor): ([CChar], Int32)
    do throws(SystemError) {
      (partial, descriptor) = try createPartial(of: target, isPrivate: isPrivate)
    } catch {
      guard error.isFolderClosed else { throw error }
      return try overwrite(target, bytes, because: error)
    }
    do throws(SystemError) {
      try send(bytes, closing: descriptor, isFlushed: isFlushed)
    } catch {
      unlink(partial)
      throw error
    }
    if rename(partial, target) == 0 { return }
    let reason = SystemError(.rename())
    do throws(SystemError) {
      guard reason.cannotReplace else { throw reason }
      try overwrite(target, bytes, because: reason)
    } catch {
      guard keepsUnnamed else {
        unlink(partial)
        throw error
      }
      throw SystemError(.rename(keptIn: text(partial)), error.code)
    }
    unlink(partial)
  }

  /// Makes an empty file of a name that nothing has, not even a link.
  package static func claim(_ path: String) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw SystemError(.create) }
    close(descriptor)
  }

  /// Tries before the work whether a file can be made at `path`.
  package static func check(_ path: String) throws(SystemError) {
    let kind = FileStatus(path)?.kind
    guard kind == nil || access(path, W_OK) == 0 else { throw SystemError(.open) }
    guard kind == nil || kind == .regular else { return }
    do throws(SystemError) {
      let (name, descriptor) = try createPartial(of: try resolved(path), isPrivate: true)
      close(descriptor)
      unlink(name)
    } catch {
      if kind == nil || !error.isFolderClosed { throw error }
    }
  }

  /// Whether two paths lead to the same place, there or not, or are names of one file.
  package static func isSamePlace(_ path: String, _ other: String) -> Bool {
    if let place = try? resolved(path), place == (try? resolved(other)) { return true }
    guard let identity = FileStatus(path)?.identity else { return false }
    return identity == FileStatus(other)?.identity
  }

  /// Links that lead to nothing and are followed one after the other.
  private static let maximumLinkCount = 40

  /// The path without links, ended with 0. Where there is no such file its folder is resolved, and a link to it is
  /// followed to where the file would stand.
  ///
  /// - Throws: `open` for links that lead to each other.
  private static func resolved(_ path: String) throws(SystemError) -> [CChar] {
    var name = Array(path.utf8CString)
    for _ in 0..<maximumLinkCount {
      if let found = realpath(name) { return found }
      let slash = CChar(bitPattern: UInt8(ascii: "/"))
      let folder: [CChar]
      let file: ArraySlice<CChar>
      if let end = name.lastIndex(of: slash) {
        (folder, file) = (name[...end] + [0], name[(end + 1)...])
      } else {
        (folder, file) = ([CChar(bitPattern: UInt8(ascii: ".")), 0], name[...])
      }
      guard file.count > 1, let parent = realpath(folder) else { return name }
      let place = parent.dropLast() + [slash] + file
      guard let target = linkTarget(Array(place)) else { return Array(place) }
      name = target.first == slash ? target : Array(parent.dropLast() + [slash] + target)
    }
    throw SystemError(.open, ELOOP)
  }

  private static func realpath(_ name: [CChar]) -> [CChar]? {
    guard let found = canonicalName(name, nil) else { return nil }
    defer { free(found) }
    return Array(UnsafeBufferPointer(start: found, count: strlen(found) + 1))
  }

  /// Where a link leads, ended with 0; nil for what is none.
  private static func linkTarget(_ name: [CChar]) -> [CChar]? {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink(name, &target, Int(PATH_MAX))
    return count > 0 ? target[..<count] + [0] : nil
  }

  /// For a message.
  private static func text(_ name: [CChar]) -> String {
    String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Creates a file beside the target. What a process of the same number left behind is left alone.
  private static func createPartial(
    of target: [CChar], isPrivate: Bool
  ) throws(SystemError) -> (name: [CChar], descriptor: Int32) {
    var number = 0
    while true {
      let end = number == 0 ? ".\(getpid()).partial" : ".\(getpid()).\(number).partial"
      let name = Array(target.dropLast() + end.utf8CString)
      let descriptor = open(
        name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, isPrivate ? 0o600 : 0o644)
      if descriptor >= 0 { return (name, descriptor) }
      guard errno == EEXIST, number < 1000 else { throw SystemError(.create) }
      number += 1
    }
  }

  /// Replaces the content of an existing file. Where the room is missing, the former content stays.
  ///
  /// - Parameter reason: why no other file can take its place; what is thrown where there is none.
  private static func overwrite(
    _ name: [CChar], _ bytes: FileContent, because reason: SystemError
  ) throws(SystemError) {
    let descriptor = open(name, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw errno == ENOENT ? reason : SystemError(.open) }
    var status = stat()
    let earlier = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    let code =
      bytes.byteCount > earlier
      ? posix_fallocate(descriptor, off_t(earlier), off_t(bytes.byteCount - earlier)) : 0
    let failure = SystemError(.reserve, code)
    guard !failure.isShortOfRoom else {
      ftruncate(descriptor, off_t(earlier))
      close(descriptor)
      throw failure
    }
    try send(bytes, closing: descriptor, isFlushed: true, isCut: true)
  }

  /// Writes all bytes and closes the file.
  private static func send(
    _ bytes: FileContent, closing descriptor: Int32, isFlushed: Bool = false, isCut: Bool = false
  ) throws(SystemError) {
    do throws(SystemError) {
      try bytes.write { piece throws(SystemError) in
        try Descriptor.write(piece, to: descriptor)
      }
      if isCut, ftruncate(descriptor, off_t(bytes.byteCount)) != 0 { throw SystemError(.truncate) }
      if isFlushed, !DiskFlush.all(descriptor) { throw SystemError(.flush) }
    } catch {
      close(descriptor)
      throw error
    }
    guard close(descriptor) == 0 else { throw SystemError(.write) }
  }
}

/// The function of the C library that has the name of the one above.
private func canonicalName(
  _ name: [CChar], _ result: UnsafeMutablePointer<CChar>?
) -> UnsafeMutablePointer<CChar>? { realpath(name, result) }
