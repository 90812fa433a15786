/// Resident memory of this process, in bytes.
public struct ProcessMemory: Sendable, Equatable {
  /// Heap, stacks and whatever else holds no unchanged part of a file.
  public var anonymousByteCount: Int
  /// Mapped files: the program, its libraries, a model's tables.
  public var fileByteCount: Int

  public var byteCount: Int { anonymousByteCount + fileByteCount }

  /// About what the command line has, for systems that do not tell.
  package static let unknown = ProcessMemory(anonymousByteCount: 8 << 20, fileByteCount: 24 << 20)

  /// What the process has now; nil where `/proc` does not tell.
  public static func current() -> ProcessMemory? {
    guard let counts = counts(), let anonymous = counts["RssAnon:"],
      let file = counts["RssFile:"]
    else { return nil }
    return ProcessMemory(
      anonymousByteCount: anonymous << 10,
      fileByteCount: (file + (counts["RssShmem:"] ?? 0)) << 10)
  }

  /// The largest resident memory that this process had so far, in bytes; nil where `/proc` does not tell.
  public static func peakByteCount() -> Int? { counts()?["VmHWM:"].map { $0 << 10 } }

  /// What the kernel tells, in units of 1024 bytes.
  private static func counts() -> [Substring: Int]? {
    SystemFile.text("/proc/self/status").map(SystemFile.counts)
  }
}
