import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How a file is opened. It never passes to programs that this process starts.
package struct OpenMode: Sendable {
  let flags: Int32
  let attempt: SystemError.Attempt
  /// Of a file that is created.
  let permissions: mode_t

  private init(
    _ flags: Int32, _ attempt: SystemError.Attempt = .open, permissions: mode_t = 0o644
  ) {
    self.flags = flags | O_CLOEXEC
    self.attempt = attempt
    self.permissions = permissions
  }

  /// To be read; a pipe is not waited for.
  package static let reading = OpenMode(O_RDONLY | O_NONBLOCK)
  /// To be read past the page cache; nil where the system has no such flag.
  package static let readingDirectly: OpenMode? = {
    let flag = cvar_open_direct_flag()
    return flag == 0 ? nil : OpenMode(reading.flags | flag)
  }()
  /// To be read, if the name is no link.
  package static let readingNoLink = OpenMode(O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
  /// To be read from the beginning to the end; of a pipe the other end is waited for.
  package static let streaming = OpenMode(O_RDONLY)
  /// An existing file, to be written.
  package static let overwriting = OpenMode(O_WRONLY | O_NONBLOCK)
  /// An existing file, to be read and written.
  package static let updating = OpenMode(O_RDWR | O_NONBLOCK)
  /// To be read and written, created for this user alone; a file that is there already is an error.
  static let creatingPrivate = OpenMode(O_RDWR | O_CREAT | O_EXCL, .create, permissions: 0o600)
  /// To be read and written, created where nothing has that name, if the name is no link.
  package static let creating = OpenMode(O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, .create)
  /// The same; what is created is for this user alone.
  package static let creatingForOwner = OpenMode(creating.flags, .create, permissions: 0o600)
}
