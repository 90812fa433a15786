#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the system says about a file.
package struct FileStatus: Sendable {
  /// What stands under a name.
  package enum Kind: Sendable {
    case regular, folder
    /// A device, a pipe or a socket.
    case special
    /// A symbolic link that was not followed.
    case link
  }

  /// Two names with the same identity lead to the same file.
  package struct Identity: Hashable, Sendable {
    let device: UInt64
    let number: UInt64
  }

  package let kind: Kind
  package let identity: Identity
  package let byteCount: Int
  /// Bytes of the disk that the file takes.
  package let allocatedByteCount: Int
  /// Names that the file has.
  let linkCount: Int
  /// When the content last changed, in seconds and nanoseconds since 1970.
  package let modificationTime: (seconds: Int, nanoseconds: Int)
  /// Whether the file belongs to the user of this process.
  let isOwn: Bool

  /// What standard output is.
  package static var standardOutput: FileStatus? {
    var status = stat()
    return fstat(STDOUT_FILENO, &status) == 0 ? FileStatus(status) : nil
  }

  /// - Returns: nil where nothing has that name or it cannot be looked at.
  package init?(_ path: UnsafePointer<CChar>, followsLinks: Bool = true) {
    var status = stat()
    guard (followsLinks ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
    self.init(status)
  }

  init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .folder
      case S_IFLNK: .link
      default: .special
      }
    identity = Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    byteCount = Int(status.st_size)
    allocatedByteCount = Int(status.st_blocks) * 512
    linkCount = Int(status.st_nlink)
    modificationTime = (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
    isOwn = status.st_uid == geteuid()
  }
}
