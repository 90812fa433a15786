#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Room on disks.
package enum FreeSpace {
  /// Bytes that are free where a file of this name would lie; nil where the system does not say.
  package static func byteCount(for path: String) -> Int? {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    var status = statvfs()
    guard statvfs(directory, &status) == 0, status.f_blocks > 0 else { return nil }
    let (count, overflow) = Int(status.f_bavail).multipliedReportingOverflow(
      by: Int(status.f_frsize))
    return overflow ? nil : count
  }
}
