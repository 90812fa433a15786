#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Room on disks.
package enum FreeSpace {
  /// Bytes that are free where a file of this name would be written; nil where the system does not say.
  ///
  /// That is its folder, or the file itself where the folder takes no new one: a container may mount it by itself.
  package static func byteCount(for path: String) -> Int? {
    let folder = FileTree.folder(of: path)
    let takesFiles = access(folder, W_OK) == 0 || access(path, F_OK) != 0
    return byteCount(on: takesFiles ? folder : path)
  }

  /// Bytes that are free on the disk of an existing file or folder; nil where the system does not say.
  package static func byteCount(on path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0, status.f_blocks > 0 else { return nil }
    let (count, overflow) = Int(status.f_bavail).multipliedReportingOverflow(
      by: Int(status.f_frsize))
    return overflow ? nil : count
  }
}
