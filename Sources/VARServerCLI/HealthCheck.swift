import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Asks a server of this machine whether it is well, as containers do again and again.
enum HealthCheck {
  /// It is not well.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  #if canImport(Glibc)
    private static let streamKind = Int32(SOCK_STREAM.rawValue)
  #else
    private static let streamKind = SOCK_STREAM
  #endif

  /// Seconds after which a server that does not answer is not well.
  private static let seconds = 5

  static func run(_ listening: ListeningOptions) throws(Failure) {
    let place = listening.place(port: listening.port)
    let server = try reach(listening, place)
    defer { close(server) }
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    do throws(SystemError) {
      try Descriptor.write(Array(request.utf8), to: server)
    } catch { throw Failure(description: "\(place): does not answer") }
    var answer = [UInt8](repeating: 0, count: 4096)
    let count = answer.withUnsafeMutableBytes { read(server, $0.baseAddress, $0.count) }
    let line = String(decoding: answer.prefix(max(0, count)).prefix { $0 != 13 }, as: UTF8.self)
    let words = line.split(separator: " ")
    guard words.count > 1, words[0].hasPrefix("HTTP/1") else {
      throw Failure(description: "\(place): does not answer")
    }
    guard words[1] == "200" else {
      throw Failure(description: "\(place): is not well: \(words[1...].joined(separator: " "))")
    }
  }

  private static func reach(
    _ listening: ListeningOptions, _ place: String
  ) throws(Failure) -> Int32 {
    guard let server = listening.socket.map(fileSocket) ?? networkSocket(listening) else {
      throw Failure(description: "\(place): nobody listens there")
    }
    return server
  }

  /// Whether a server listens on a socket in the file system.
  static func isTaken(_ path: String) -> Bool {
    guard let server = fileSocket(path) else { return false }
    close(server)
    return true
  }

  private static func make(_ family: Int32) -> Int32? {
    let made = socket(family, streamKind, 0)
    guard made >= 0 else { return nil }
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(made, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    return made
  }

  private static func fileSocket(_ path: String) -> Int32? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path), let made = make(AF_UNIX)
    else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(made, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      close(made)
      return nil
    }
    return made
  }

  /// A server that listens on all addresses is asked on this machine's own.
  private static func networkSocket(_ listening: ListeningOptions) -> Int32? {
    let own = ["0.0.0.0": "127.0.0.1", "::": "::1"]
    var hints = addrinfo()
    hints.ai_socktype = streamKind
    var found: UnsafeMutablePointer<addrinfo>?
    let host = own[listening.host] ?? listening.host
    guard getaddrinfo(host, "\(listening.port)", &hints, &found) == 0 else { return nil }
    defer { freeaddrinfo(found) }
    var next = found
    while let entry = next?.pointee {
      next = entry.ai_next
      guard let made = make(entry.ai_family) else { continue }
      if connect(made, entry.ai_addr, entry.ai_addrlen) == 0 { return made }
      close(made)
    }
    return nil
  }
}
