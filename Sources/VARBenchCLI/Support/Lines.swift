import VARBench
import VARJSON
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output and standard error, line by line and without delay.
enum Lines {
  static func write(_ records: [BenchmarkRecord], _ conditions: RunConditions) {
    for record in records { write(record.json(conditions).terminalText + "\n", to: STDOUT_FILENO) }
  }

  static func writeError(_ line: String) { write(line.escapedLines + "\n", to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    try? Descriptor.write(Array(text.utf8), to: descriptor)
  }
}
