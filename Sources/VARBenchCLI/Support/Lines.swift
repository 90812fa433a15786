import VARBench
import VARJSON
import VARSharedCLI
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output and standard error, line by line and without delay.
enum Lines {
  static func write(_ records: [BenchmarkRecord], _ conditions: RunConditions) {
    for record in records { StandardOutput.write(record.json(conditions).terminalText + "\n") }
  }

  static func writeError(_ line: String) {
    try? Descriptor.write(Array((line.escapedLines + "\n").utf8), to: STDERR_FILENO)
  }
}
