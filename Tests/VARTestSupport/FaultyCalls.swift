#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// System calls that fail as they do on file systems and in sandboxes that lack them.
///
/// A library that is loaded before the C library takes the calls' place: `Tests/faults/faulty_calls.c`, compiled for
/// the tests.
public enum FaultyCalls {
  /// A call that can be made to fail.
  public enum Call: String, Sendable {
    case fsync, fdatasync, flock, sysinfo
    /// Flushing a folder.
    case fsyncFolder
    /// Mapping a file that is shared with others, and mapping any file.
    case mmapShared, mmapFile
  }

  public static let isAvailable = library != nil
  public static let need = "there is no C compiler, so no call can be made to fail"

  /// What a program's environment holds so that calls fail with an `errno`.
  public static func environment(_ failures: [Call: Int32]) throws -> [String] {
    guard let library else { throw FixtureError(need) }
    return ["LD_PRELOAD=\(library)"] + failures.map { "FAULT_\($0.key.rawValue)=\($0.value)" }
  }

  /// The call of a kind that fails: `Tests/faults/faulty_calls.c` names the kinds.
  public struct Fault: Sendable, CustomStringConvertible {
    public let call: String
    /// 1 for the first call of the kind.
    public let number: Int
    /// `errno`; 0 lets the call do half of its work.
    public let code: Int32

    public init(call: String, number: Int, code: Int32) {
      (self.call, self.number, self.code) = (call, number, code)
    }

    public var description: String { "\(call) \(number) with errno \(code)" }
  }

  /// What a program's environment holds so that one call fails.
  public static func environment(_ fault: Fault) throws -> [String] {
    try environment([:]) + [
      "FAULT_CALL=\(fault.call)", "FAULT_AT=\(fault.number)", "FAULT_ERRNO=\(fault.code)",
    ]
  }

  /// What a program's environment holds so that it writes to a file how often each call was made.
  public static func environment(countingTo path: String) throws -> [String] {
    try environment([:]) + ["FAULT_COUNTS=\(path)"]
  }

  private nonisolated(unsafe) static var folder: TemporaryDirectory?

  private static let library: String? = {
    let folder = TemporaryDirectory()
    Self.folder = folder
    atexit { FaultyCalls.folder = nil }
    var runner = ProgramRunner(path: "/bin/sh")
    runner.environment = ["PATH=\(getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin")"]
    let library = folder.file("faulty_calls.so")
    let result = try? runner.run([
      "-c",
      """
      for c in cc clang gcc; do
        command -v $c >/dev/null && exec $c -shared -fPIC -o "$1" "$0"
      done
      exit 1
      """,
      Fixtures.path("../faults/faulty_calls.c"), library,
    ])
    return result?.status == 0 ? library : nil
  }()
}
