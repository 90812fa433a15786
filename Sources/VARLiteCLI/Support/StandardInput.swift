import VARLite
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads UTF-8 text from standard input; Ctrl-C ends the wait.
struct StandardInput {
  /// What errors call it.
  static let name = "standard input"
  /// Bytes of a line, or of the whole text, at most: a text of one word takes 35 times its bytes to be encoded, and
  /// what a model reads is far below.
  static let maximumByteCount = 1 << 20

  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// Whether the rest of a line that was too long is still to come.
  private var skipsLine = false
  private var hasFailed = false
  /// Whether more lines may come: not after a fault of the system.
  var goesOn: Bool { !hasFailed }

  /// The next line without its line break; nil at the end.
  ///
  /// After an error, the next call gives the line after the one that could not be read.
  mutating func nextLine() throws(VARLiteError) -> String? {
    try skipLine()
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        let hasReturn = end > start && buffer[end - 1] == UInt8(ascii: "\r")
        return try Self.text(buffer[start..<(hasReturn ? end - 1 : end)])
      }
      guard !isAtEnd else {
        defer { start = buffer.count }
        return start < buffer.count ? try Self.text(buffer[start...]) : nil
      }
      buffer.removeFirst(start)
      start = 0
      searched = buffer.count
      try fill()
    }
  }

  /// Leaves out the rest of a line that was too long.
  private mutating func skipLine() throws(VARLiteError) {
    while skipsLine {
      if let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
        start = end + 1
        skipsLine = false
      } else {
        (buffer, start) = ([], 0)
        guard !isAtEnd else {
          skipsLine = false
          return
        }
        try receive()
      }
    }
  }

  /// All that is left, line breaks included.
  mutating func rest() throws(VARLiteError) -> String {
    while !isAtEnd { try fill() }
    defer { start = buffer.count }
    return try Self.text(buffer[start...])
  }

  /// All that is left; nil where it is more than `count` bytes.
  mutating func bytes(atMost count: Int) throws(VARLiteError) -> [UInt8]? {
    while !isAtEnd {
      try receive()
      guard buffer.count - start <= count else { return nil }
    }
    defer { (buffer, start) = ([], 0) }
    return start == 0 ? buffer : Array(buffer[start...])
  }

  private mutating func receive() throws(VARLiteError) {
    var block = [UInt8](repeating: 0, count: 65_536)
    let count: Int
    do throws(VARLiteError) {
      count = try Self.receive(into: &block)
    } catch {
      hasFailed = true
      throw error
    }
    isAtEnd = count == 0
    buffer += block.prefix(count)
  }

  private mutating func fill() throws(VARLiteError) {
    try receive()
    guard buffer.count - start <= Self.maximumByteCount else {
      skipsLine = true
      throw VARLiteError(
        .request, "\(Self.name): more than \(Self.maximumByteCount >> 20) MiB of text")
    }
  }

  /// The system restarts a read that a signal interrupts, but not a poll.
  private static func receive(into block: inout [UInt8]) throws(VARLiteError) -> Int {
    while true {
      if Interruption.isRequested { throw VARLiteError(.cancelled, "interrupted") }
      var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, 200) > 0 else { continue }
      let count = block.withUnsafeMutableBytes {
        read(STDIN_FILENO, $0.baseAddress!, $0.count)
      }
      if count >= 0 { return count }
      guard errno == EINTR || errno == EAGAIN else {
        throw VARLiteError(
          .request,
          "\(Self.name): cannot be read: \(SystemError.message(errno))")
      }
    }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) throws(VARLiteError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw VARLiteError(.request, "\(Self.name): is not UTF-8 text")
    }
    return text
  }
}
