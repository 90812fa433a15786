#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Waits until what was written is safely on the disk.
enum DiskFlush {
  /// The bytes of an open file, its size and its times.
  ///
  /// - Returns: false, with the reason in errno, where the disk failed. File systems and devices that cannot be asked
  ///   have failed nothing; a disk that an error has made read-only has.
  static func all(_ descriptor: Int32) -> Bool {
    fsync(descriptor) == 0 || cannotBeAsked(errno)
  }

  /// The bytes and the size, but not the times; else as ``all(_:)``.
  static func data(_ descriptor: Int32) -> Bool {
    fdatasync(descriptor) == 0 || cannotBeAsked(errno)
  }

  private static func cannotBeAsked(_ code: Int32) -> Bool {
    [EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP].contains(code)
  }
}
