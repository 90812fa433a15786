import CVARSystem

/// Resident memory of this process, in bytes.
public struct ProcessMemory: Sendable, Equatable {
  /// Heap, stacks and whatever else holds no unchanged part of a file.
  public var anonymousByteCount: Int
  /// Mapped files: the program, its libraries, a model's tables.
  public var fileByteCount: Int

  /// All of it.
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

  /// The largest resident memory that this process had so far, in bytes; nil where the system does not tell.
  ///
  /// Without `/proc` it may be that of the program which started this one, where that had more.
  public static func peakByteCount() -> Int? {
    if let peak = counts()?["VmHWM:"] { return peak << 10 }
    let peak = cvar_peak_memory()
    return peak > 0 ? Int(peak) : nil
  }

  /// Bytes that limits on the address space or the data of this process (`ulimit -v`, `ulimit -d`) let it still take;
  /// nil where there are none.
  package static func room() -> Int? {
    let room = cvar_memory_room()
    return room < 0 ? nil : Int(room)
  }

  /// Bytes of the machine, and those that nothing uses now, as the kernel tells without `/proc`; nil where it does not.
  package static func machine() -> (totalBytes: Int, freeBytes: Int)? {
    var (total, free) = (Int64(-1), Int64(-1))
    cvar_machine_memory(&total, &free)
    return total > 0 ? (Int(total), Int(free)) : nil
  }

  /// What the kernel tells, in units of 1024 bytes.
  private static func counts() -> [Substring: Int]? {
    SystemFile.text("/proc/self/status").map(SystemFile.counts)
  }
}
