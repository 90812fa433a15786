#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Whole-file reads and atomic writes; the errors do not name the path yet.
package enum WholeFile {
  package static func load(_ path: String, maximumBytes: Int) throws(ImageError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ImageError(.unreadable, reason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw ImageError(.unreadable, reason(errno)) }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw ImageError(.unreadable, "a directory; name a picture")
    }
    // Pipes have no size: what counts is what arrives.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(max(0, Int(status.st_size)), maximumBytes) + 1)
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress!, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw ImageError(.unreadable, reason(errno))
      }
      if count == 0 { return bytes }
      guard bytes.count + count <= maximumBytes else {
        throw ImageError(.tooLarge, "more than \(maximumBytes) bytes of file")
      }
      bytes.append(contentsOf: block[..<count])
    }
  }

  /// Writes beside `path`, flushes to the disk and renames: the file appears whole or not at all.
  package static func store(_ bytes: [UInt8], to path: String) throws(ImageError) {
    var template = Array("\(path).XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw ImageError(.notWritable, reason(errno)) }
    let failure = fill(descriptor, bytes)
    let closed = close(descriptor) == 0 ? nil : errno
    if let cause = failure ?? closed ?? (rename(template, path) == 0 ? nil : errno) {
      unlink(template)
      throw ImageError(.notWritable, reason(cause))
    }
  }

  /// Returns errno of the first failure.
  private static func fill(_ descriptor: Int32, _ bytes: [UInt8]) -> Int32? {
    // mkstemp makes the file private; a picture gets the rights that open(2) would give.
    let mask = umask(0)
    umask(mask)
    guard fchmod(descriptor, 0o666 & ~mask) == 0 else { return errno }
    var position = 0
    while position < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + position, bytes.count - position)
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      position += count
    }
    return fsync(descriptor) == 0 ? nil : errno
  }

  private static func reason(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    strerror_r(code, &buffer, buffer.count)
    // By bytes: CChar is signed on some platforms only.
    return buffer.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
