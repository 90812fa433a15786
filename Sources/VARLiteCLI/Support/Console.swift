import Synchronization
import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output and standard error, without buffering of our own.
enum Console {
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1
  private static let firstOutputError = Atomic<Int32>(0)

  /// Why standard output could not be written; work whose result it carries is to stop.
  static var outputFailure: GenerationError? {
    let code = firstOutputError.load(ordering: .relaxed)
    guard code != 0 else { return nil }
    return GenerationError(
      .cannotWrite, "standard output: cannot be written: \(String(cString: strerror(code)))")
  }

  static func error(_ line: String) { send(line + "\n", to: STDERR_FILENO) }

  static func output(_ text: String) { output(Array(text.utf8)) }

  static func output(_ bytes: [UInt8]) {
    guard firstOutputError.load(ordering: .relaxed) == 0 else { return }
    if !send(bytes, to: STDOUT_FILENO) {
      firstOutputError.store(max(errno, 1), ordering: .relaxed)
    }
  }

  static func send(_ text: String, to descriptor: Int32) {
    send(Array(text.utf8), to: descriptor)
  }

  /// Returns false, with the reason in errno, where the other end is gone or full.
  @discardableResult
  static func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + sent, bytes.count - sent)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }
}
