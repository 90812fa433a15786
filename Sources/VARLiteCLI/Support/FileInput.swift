import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads whole small files.
enum FileInput {
  static let maximumByteCount = 256 << 20

  static func bytes(_ path: String) throws(GenerationError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(path) }
      guard count > 0 else { return bytes }
      bytes += buffer.prefix(count)
      guard bytes.count <= maximumByteCount else {
        throw GenerationError(.unusableModel, "\(path): is larger than \(maximumByteCount) bytes")
      }
    }
  }

  private static func failure(_ path: String) -> GenerationError {
    GenerationError(
      .unusableModel, "\(path): cannot be read: \(String(cString: strerror(errno)))")
  }
}
