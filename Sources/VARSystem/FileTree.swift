#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Names of files, and what can be done with a name alone.
package enum FileTree {
  /// Whether something has that name, links followed.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  package static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// The folder that a file of this name stands in.
  package static func folder(of path: String) -> String {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    return slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  /// Names of what stands in a folder, unsorted; none where it cannot be read.
  package static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Gives a file another name, in the place of what has that one.
  package static func rename(_ path: String, to other: String) throws(SystemError) {
    // The function of the C library, not this one.
    guard renameFile(path, other) == 0 else { throw SystemError(.rename()) }
  }

  /// Removes a name, where it is there.
  package static func remove(_ path: String) { unlink(path) }

  /// Waits until a file's name is safely on the disk.
  ///
  /// Without the right to read the folder it cannot be flushed; the file itself is safe.
  package static func flushFolder(of path: String) throws(SystemError) {
    let descriptor = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard DiskFlush.all(descriptor) else { throw SystemError(.flush) }
  }
}

private func renameFile(_ path: String, _ other: String) -> Int32 { rename(path, other) }
