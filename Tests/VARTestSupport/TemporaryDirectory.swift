#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A new directory for a test's files; it goes with the last reference.
public final class TemporaryDirectory: Sendable {
  /// The absolute path, without a slash at the end.
  public let path: String

  public init() {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/varlite-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { preconditionFailure("no directory in \(parent)") }
    path = template.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) }
  }

  deinit { Self.remove(path) }

  public func file(_ name: String) -> String { "\(path)/\(name)" }

  public func write(_ name: String, _ bytes: [UInt8]) {
    guard let stream = fopen(file(name), "wb"),
      fwrite(bytes, 1, bytes.count, stream) == bytes.count,
      fclose(stream) == 0
    else { preconditionFailure("\(file(name)) cannot be written") }
  }

  public func write(_ name: String, _ text: String) { write(name, Array(text.utf8)) }

  public func makeDirectory(_ name: String) {
    guard mkdir(file(name), 0o755) == 0 else { preconditionFailure("no directory \(name)") }
  }

  /// Names of the entries, sorted.
  public func names() -> [String] { Self.names(of: path) }

  /// Names of any directory's entries, sorted.
  public static func names(of path: String) -> [String] { names(opendir(path)) }

  /// Names of the entries of any folder, sorted.
  public static func names(_ path: String) -> [String] { names(opendir(path)) }

  private static func names(_ stream: OpaquePointer?) -> [String] {
    guard let stream else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func remove(_ path: String) {
    // Only directories open here, and no link is followed.
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      unlink(path)
      return
    }
    for name in names(fdopendir(descriptor)) { remove("\(path)/\(name)") }
    rmdir(path)
  }
}
