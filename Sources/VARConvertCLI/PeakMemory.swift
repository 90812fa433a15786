#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The memory that this process has had at most.
enum PeakMemory {
  /// Bytes of resident memory, `VmHWM` of `/proc/self/status`; nil where the system does not tell.
  static var byteCount: Int? {
    let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 14)
    let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    // The system counts in units of 1024 bytes.
    return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 }
  }
}
