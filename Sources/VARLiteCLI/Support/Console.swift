import VARJSON
import VARLite
import VARSharedCLI
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output and standard error, without buffering of our own.
enum Console {
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1
  private static let outputIsTerminal = isatty(STDOUT_FILENO) == 1

  /// A variable of the environment; nil where there is none.
  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// Why standard output could not be written; work whose result it carries is to stop.
  static var outputFailure: VARLiteError? {
    StandardOutput.failure.map { VARLiteError(.file, "\($0)") }
  }

  /// A line, or several, of this program's own.
  static func error(_ line: String) { send(line.escapedLines + "\n", to: STDERR_FILENO) }

  /// Text that a model or a foreign vocabulary wrote: as it is for a file or a program, without what a terminal obeys
  /// for a terminal.
  static func output(written text: String) {
    output(outputIsTerminal ? text.escapedLines : text)
  }

  /// A document on one line.
  static func output(_ value: JSONValue) { output(value.terminalText + "\n") }

  static func output(_ text: String) { output(Array(text.utf8)) }

  static func output(_ bytes: [UInt8]) { StandardOutput.write(bytes) }

  /// What cannot be written is lost: there is no other place to say so.
  static func send(_ text: String, to descriptor: Int32) {
    try? Descriptor.write(Array(text.utf8), to: descriptor)
  }
}
