#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A socket that systemd, or another program that speaks like it, opened before it started this one.
enum InheritedSocket {
  /// Where the first one stands.
  private static let first: Int32 = 3

  /// The socket's descriptor; nil where there is none for this process.
  static let descriptor: Int32? = {
    guard variable("LISTEN_PID") == getpid(), let count = variable("LISTEN_FDS"), count > 0 else {
      return nil
    }
    _ = fcntl(first, F_SETFD, FD_CLOEXEC)
    return first
  }()

  /// Whether programs of this machine alone can come through it.
  static var isLoopback: Bool {
    guard let descriptor else { return false }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout.size(ofValue: storage))
    let result = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { return false }
    return withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.ss_family) {
      case AF_UNIX: true
      case AF_INET: bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr.bigEndian >> 24 == 127
      case AF_INET6:
        withUnsafeBytes(of: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_addr) {
          $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1
        }
      default: false
      }
    }
  }

  private static func variable(_ name: String) -> Int32? {
    getenv(name).flatMap { Int32(String(cString: $0)) }
  }
}
