#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A program on a terminal of its own: what a user types, and what the user sees.
public final class TerminalSession {
  private let terminal: Int32
  private let process: pid_t
  private var status: Int32?
  /// `TIOCSPTLCK`, `TIOCGPTN` and `POSIX_SPAWN_SETSID`, which the C library's module leaves out.
  private static let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)
  private static let newSession: Int16 = 0x80
  private var bytes: [UInt8] = []

  /// Everything that stood on the terminal so far, escape codes and echo included.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Starts a program with the terminal as its standard input, output and error.
  ///
  /// - Parameter columns: width of the terminal.
  public init(
    _ runner: ProgramRunner, _ arguments: [String], columns: UInt16 = 80
  ) throws {
    terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (number, isLocked): (Int32, Int32) = (-1, 0)
    guard terminal >= 0, ioctl(terminal, Self.setLock, &isLocked) == 0,
      ioctl(terminal, Self.getNumber, &number) == 0
    else { throw FixtureError("no terminal") }
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(terminal, UInt(TIOCSWINSZ), &size)
    // As every terminal of a desktop: a key that deletes takes a character, not a byte.
    var settings = termios()
    if tcgetattr(terminal, &settings) == 0 {
      settings.c_iflag |= tcflag_t(IUTF8)
      _ = tcsetattr(terminal, TCSANOW, &settings)
    }
    process = try Self.spawn(runner, arguments, terminal: "/dev/pts/\(number)")
  }

  deinit {
    if status == nil { kill(process, SIGKILL) }
    _ = end(within: 5)
    close(terminal)
  }

  private static func spawn(
    _ runner: ProgramRunner, _ arguments: [String], terminal: String
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The first terminal that the leader of a session opens is the one that signals come from.
    posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    posix_spawn_file_actions_adddup2(&actions, 0, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigaddset(&signals, SIGPIPE)
    sigaddset(&signals, SIGINT)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK) | Self.newSession)
    let texts = ([runner.path] + arguments).map { strdup($0) }
    let variables = runner.environment.map { strdup($0) }
    defer { for text in texts + variables { free(text) } }
    var process: pid_t = 0
    let failure = posix_spawn(
      &process, runner.path, &actions, &attributes, texts + [nil], variables + [nil])
    guard failure == 0 else {
      throw FixtureError("\(runner.path): cannot be started: \(String(cString: strerror(failure)))")
    }
    return process
  }

  /// Types a text as soon as the program asks for one.
  ///
  /// Before its prompt a program may not have taken over the keys yet: then the terminal itself would edit the line.
  public func type(_ text: String, behindPrompt prompt: String) throws {
    try wait(for: prompt)
    type(text)
  }

  /// Types a text; `\u{3}` is Ctrl-C, `\u{4}` Ctrl-D, `\r` the return key.
  public func type(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(terminal, bytes, bytes.count)
  }

  /// Sends the program a signal.
  public func send(_ signal: Int32) { kill(process, signal) }

  /// Waits until the terminal shows a text that stands behind everything that was waited for before.
  ///
  /// - Throws: ``FixtureError`` with what stands there instead.
  public func wait(for text: String, within seconds: Double = 30) throws {
    let wanted = Array(text.utf8)
    let deadline = ProgramExchange.now() + seconds
    while true {
      if let end = Self.end(of: wanted, in: bytes[seen...]) {
        seen = end
        return
      }
      let shown = String(decoding: bytes[seen...], as: UTF8.self)
      guard receive(until: deadline) else {
        throw FixtureError("\"\(text)\" does not come; there is \"\(shown)\"")
      }
    }
  }

  private var seen = 0

  private static func end(of wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count >= wanted.count else { return nil }
    return (bytes.startIndex...(bytes.endIndex - wanted.count))
      .first { bytes[$0..<($0 + wanted.count)].elementsEqual(wanted) }
      .map { $0 + wanted.count }
  }

  /// Returns false at the deadline and where nothing more can come.
  private func receive(until deadline: Double) -> Bool {
    while true {
      let left = deadline - ProgramExchange.now()
      guard left > 0 else { return false }
      var waiting = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, Int32(left * 1000) + 1) > 0 else { continue }
      var block = [UInt8](repeating: 0, count: 1 << 14)
      let count = read(terminal, &block, block.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      bytes += block.prefix(count)
      return true
    }
  }

  /// Waits for the program's end.
  ///
  /// - Returns: the exit code, or 128 plus the number of the signal that ended it; nil where it goes on.
  public func end(within seconds: Double = 30) -> Int32? {
    let deadline = ProgramExchange.now() + seconds
    while status == nil {
      var code: Int32 = 0
      if waitpid(process, &code, WNOHANG) == process {
        status = code & 0x7f == 0 ? (code >> 8) & 0xff : 128 + code & 0x7f
      } else if ProgramExchange.now() > deadline {
        return nil
      } else {
        _ = receive(until: min(deadline, ProgramExchange.now() + 0.05))
        usleep(2000)
      }
    }
    while receive(until: ProgramExchange.now() + 0.05) {}
    return status
  }
}
