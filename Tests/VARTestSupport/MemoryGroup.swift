#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A control group with a hard memory limit, for programs that a test starts; it goes with the last reference.
///
/// Counts everything that the programs bring into memory, pages of files too.
public final class MemoryGroup: Sendable {
  private let folder: String
  private let isVersion2: Bool

  /// Whether this machine lets the tests make control groups.
  public static let isPermitted = MemoryGroup(limitBytes: 64 << 20) != nil

  /// - Returns: nil where this machine lets the tests make no control group.
  public init?(limitBytes: Int) {
    let name = "varlite-test.\(getpid()).\(UInt32.random(in: 0 ... .max))"
    for (root, isVersion2) in [("/sys/fs/cgroup", true), ("/sys/fs/cgroup/memory", false)] {
      if isVersion2 { Self.write("+memory", to: root + "/cgroup.subtree_control") }
      let folder = "\(root)/\(name)"
      guard mkdir(folder, 0o700) == 0 else { continue }
      let limit = isVersion2 ? "memory.max" : "memory.limit_in_bytes"
      if Self.write("\(limitBytes)", to: "\(folder)/\(limit)") {
        self.folder = folder
        self.isVersion2 = isVersion2
        // Without swap; version 1 counts both together and may be built without.
        Self.write("0", to: "\(folder)/memory.swap.max")
        Self.write("\(limitBytes)", to: "\(folder)/memory.memsw.limit_in_bytes")
        return
      }
      rmdir(folder)
    }
    return nil
  }

  deinit {
    // The last page is given back a moment after the last program has ended.
    for _ in 0..<50 where rmdir(folder) != 0 { usleep(20_000) }
  }

  /// Runs a program inside the group.
  ///
  /// - Parameter input: all of standard input.
  public func run(
    _ runner: ProgramRunner, _ arguments: [String], input: [UInt8] = []
  ) throws -> ProgramRunner.Result {
    var shell = ProgramRunner(path: "/bin/sh")
    shell.environment = runner.environment
    shell.timeoutSeconds = runner.timeoutSeconds
    shell.watchesMemory = runner.watchesMemory
    let script = "echo $$ > \(folder)/cgroup.procs && exec \"$0\" \"$@\""
    return try shell.run(["-c", script, runner.path] + arguments, input: input)
  }

  /// Programs that the system killed because the group was full.
  public var killCount: Int {
    let file = isVersion2 ? "memory.events" : "memory.oom_control"
    for line in Self.text("\(folder)/\(file)").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.first == "oom_kill", let count = words.last.flatMap({ Int($0) }) { return count }
    }
    return 0
  }

  @discardableResult
  private static func write(_ text: String, to path: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    return writeAll(descriptor, bytes) == bytes.count
  }

  private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  private static func text(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
