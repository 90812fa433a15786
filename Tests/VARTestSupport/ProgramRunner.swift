import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Starts a program, feeds it, and collects what it writes.
public struct ProgramRunner: Sendable {
  /// What a program left behind.
  public struct Result: Sendable {
    /// The exit code, or 128 plus the number of the signal that ended the program.
    public let status: Int32
    public let output: [UInt8]
    public let errorOutput: [UInt8]
    /// From the signal that `interruptAt` sent to the end; nil where none was sent.
    public let secondsAfterInterrupt: Double?
    /// The most memory without unchanged parts of files that was seen; nil unless `watchesMemory`.
    public let peakAnonymousBytes: Int?
    /// The same with the parts of files that were mapped.
    public let peakResidentBytes: Int?

    public var text: String { String(decoding: output, as: UTF8.self) }
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
    /// The lines of standard error, the empty ones left out.
    public var errorLines: [String] { errorText.split(separator: "\n").map(String.init) }
  }

  /// The file that is run.
  public let path: String
  /// `NAME=VALUE` strings; nothing is inherited.
  public var environment = ["PATH=/usr/bin:/bin"]
  /// The program is killed after this many seconds, which fails the run.
  public var timeoutSeconds = 60.0
  /// What `interruptAt` sends.
  public var interruptSignal = SIGINT
  /// Whether to look at the program's memory every few milliseconds.
  public var watchesMemory = false

  private static let starting = Mutex(())

  public init(path: String) { self.path = path }

  /// The program `name` that was built beside the running tests.
  public static func built(_ name: String) throws -> ProgramRunner {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let tests = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    let path = tests.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/" + name
    guard access(path, X_OK) == 0 else { throw FixtureError("\(path): is not built") }
    return ProgramRunner(path: path)
  }

  /// Runs the program to its end.
  ///
  /// - Parameters:
  ///   - arguments: raw bytes without NUL are possible through `rawArguments`.
  ///   - input: all of standard input.
  ///   - interruptAt: `interruptSignal` is sent once when standard error holds this text.
  ///   - outputLimit: standard output is closed after this many bytes.
  /// - Throws: ``FixtureError`` where the program cannot be started or does not end in time.
  public func run(
    _ arguments: [String], input: [UInt8] = [], interruptAt: String? = nil,
    outputLimit: Int? = nil
  ) throws -> Result {
    try run(
      rawArguments: arguments.map { Array($0.utf8) }, input: input, interruptAt: interruptAt,
      outputLimit: outputLimit)
  }

  /// The same with arguments that need not be UTF-8.
  public func run(
    rawArguments: [[UInt8]], input: [UInt8] = [], interruptAt: String? = nil,
    outputLimit: Int? = nil
  ) throws -> Result {
    let (process, pipes) = try spawn(rawArguments, readsOutput: outputLimit != 0)
    var exchange = ProgramExchange(
      process: process, pipes: pipes, input: input, outputLimit: outputLimit)
    exchange.interruptAt = interruptAt.map { Array($0.utf8) }
    exchange.interruptSignal = interruptSignal
    var (peakAnonymousBytes, peakResidentBytes) = (0, 0)
    if watchesMemory {
      exchange.watch = {
        peakAnonymousBytes = max(peakAnonymousBytes, Self.bytes("RssAnon:", of: $0))
        peakResidentBytes = max(peakResidentBytes, Self.bytes("VmHWM:", of: $0))
      }
    }
    let isInTime = exchange.run(deadline: ProgramExchange.now() + timeoutSeconds)
    if !isInTime { kill(process, SIGKILL) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let end = ProgramExchange.now()
    guard isInTime else {
      throw FixtureError("\(path) did not end within \(timeoutSeconds) s")
    }
    let signal = status & 0x7f
    return Result(
      status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: exchange.output,
      errorOutput: exchange.errorOutput,
      secondsAfterInterrupt: exchange.interruptTime.map { end - $0 },
      peakAnonymousBytes: watchesMemory ? peakAnonymousBytes : nil,
      peakResidentBytes: watchesMemory ? peakResidentBytes : nil)
  }

  /// A size that the system tells of a process; 0 where it has ended.
  private static func bytes(_ name: String, of process: pid_t) -> Int {
    guard let file = fopen("/proc/\(process)/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      let words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
      if words.first == name[...], words.count > 1 { return (Int(words[1]) ?? 0) << 10 }
    }
    return 0
  }

  /// Starts the program with pipes for standard input, output and error.
  func spawn(_ arguments: [String]) throws -> (pid_t, [Pipe]) {
    try spawn(arguments.map { Array($0.utf8) }, readsOutput: true)
  }

  private func spawn(
    _ arguments: [[UInt8]], readsOutput: Bool
  ) throws -> (pid_t, [Pipe]) {
    // One at a time: between the making of a pipe and its mark, another start would inherit it.
    try Self.starting.withLock { _ in
      let pipes = try (0..<3).map { _ in try Pipe() }
      // Before the program can write its first byte.
      if !readsOutput { pipes[1].closeReadEnd() }
      return (try spawn(arguments, pipes), pipes)
    }
  }

  private func spawn(_ arguments: [[UInt8]], _ pipes: [Pipe]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, ours) in [pipes[0].readEnd, pipes[1].writeEnd, pipes[2].writeEnd].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, ours, Int32(number))
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A write to a program that is gone must not end the tests, and the program must not inherit that.
    signal(SIGPIPE, SIG_IGN)
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&defaults, number) }
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    // Threads of the test runner block signals; the program must not inherit that either.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))

    let texts = ([Array(path.utf8)] + arguments).map {
      strdup($0.map { CChar(bitPattern: $0) } + [0])
    }
    let variables = environment.map { strdup($0) }
    defer { for text in texts + variables { free(text) } }
    var process: pid_t = 0
    let failure = posix_spawn(
      &process, path, &actions, &attributes, texts + [nil], variables + [nil])
    guard failure == 0 else {
      throw FixtureError("\(path): cannot be started: \(String(cString: strerror(failure)))")
    }
    return process
  }
}

/// The two ends of a pipe; closed with the last reference, and never inherited.
final class Pipe {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw FixtureError("no pipe") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  deinit {
    closeReadEnd()
    closeWriteEnd()
  }

  func closeReadEnd() {
    if readEnd >= 0 { close(readEnd) }
    readEnd = -1
  }

  func closeWriteEnd() {
    if writeEnd >= 0 { close(writeEnd) }
    writeEnd = -1
  }
}
