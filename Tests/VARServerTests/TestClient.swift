import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A socket to a server of this machine; closed with the last reference.
final class TestClient {
  private let socket: Int32
  private let port: UInt16
  private var isClosed = false

  init(port: UInt16) throws {
    self.port = port
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(
      socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw FixtureError("cannot connect to port \(port)") }
  }

  deinit { if !isClosed { close(socket) } }

  /// Sends no more, and reads on.
  func closeHalf() { shutdown(socket, Int32(SHUT_WR)) }

  /// Goes without a word.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    let length = socklen_t(MemoryLayout.size(ofValue: linger))
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, length)
    close(socket)
    isClosed = true
  }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw FixtureError("the server takes no more") }
      sent += count
    }
  }

  /// Sends the head of a request, and its body where there is one.
  func begin(
    _ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil
  ) throws {
    let host = headers.contains { $0.hasPrefix("Host:") } ? [] : ["Host: 127.0.0.1:\(port)"]
    let length = body.map { ["Content-Length: \($0.count)"] } ?? []
    let lines = ["\(method) \(path) HTTP/1.1"] + host + ["Connection: close"] + length + headers
    try send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? []))
  }

  /// What comes next; nothing where the connection has ended.
  func receive() throws -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    let count = block.withUnsafeMutableBytes { read(socket, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw FixtureError("no answer: \(String(cString: strerror(errno)))") }
    return Array(block.prefix(count))
  }

  /// Reads until what came holds a text.
  func receive(until text: String) throws {
    var bytes: [UInt8] = []
    while !String(decoding: bytes, as: UTF8.self).contains(text) {
      let more = try receive()
      guard !more.isEmpty else { throw FixtureError("the connection ended before \(text)") }
      bytes += more
    }
  }

  /// Reads the answer up to the end of the connection.
  func answer() throws -> TestAnswer { try TestAnswer(receiveAll()) }

  /// What comes up to the end of the connection.
  func rest() throws -> String { String(decoding: try receiveAll(), as: UTF8.self) }

  private func receiveAll() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = try receive()
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  func exchange(
    _ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil
  ) throws -> TestAnswer {
    try begin(method, path, headers: headers, body: body)
    return try answer()
  }
}

/// An answer of HTTP/1.1, taken apart.
struct TestAnswer {
  let status: Int
  let headers: [String: String]
  let body: [UInt8]
  /// Whether the body has the length, or the last chunk, that it was to have.
  let isWhole: Bool

  init(_ bytes: [UInt8]) throws {
    let mark = Array("\r\n\r\n".utf8)
    guard
      let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) })
    else { throw FixtureError("no head in: \(String(decoding: bytes.prefix(200), as: UTF8.self))") }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
    status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
    }
    self.headers = headers
    let rest = bytes[(end + mark.count)...]
    if headers["transfer-encoding"] == "chunked" {
      (body, isWhole) = Self.joined(rest)
    } else {
      body = Array(rest)
      isWhole = headers["content-length"] == String(body.count)
    }
  }

  private static func joined(_ chunks: ArraySlice<UInt8>) -> ([UInt8], Bool) {
    var (rest, body) = (chunks, [UInt8]())
    while let end = rest.firstIndex(of: UInt8(ascii: "\r")) {
      let count = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16) ?? 0
      if count == 0 { return (body, true) }
      body += rest.dropFirst(end + 2 - rest.startIndex).prefix(count)
      rest = rest.dropFirst(end + 2 - rest.startIndex + count + 2)
    }
    return (body, false)
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  var json: JSONValue {
    get throws { try JSONValue(parsing: body) }
  }

  /// The documents of a stream of events, and whether it ends with `[DONE]`.
  var events: (documents: [JSONValue], isDone: Bool) {
    get throws {
      let lines = text.split(separator: "\n").filter { $0.hasPrefix("data: ") }
      let data = lines.map { String($0.dropFirst(6)) }
      return (
        try data.filter { $0 != "[DONE]" }.map { try JSONValue(parsing: $0) },
        data.last == "[DONE]"
      )
    }
  }

  /// The members of the error object.
  var error: JSONValue? {
    get throws { try json["error"] }
  }
}
