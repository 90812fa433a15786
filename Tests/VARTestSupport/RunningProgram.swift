#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A program that runs beside a test; killed with the last reference.
public final class RunningProgram {
  private let process: pid_t
  private let pipes: [Pipe]
  private var hasEnded = false
  private var errorOutput: [UInt8] = []

  init(_ process: pid_t, _ pipes: [Pipe]) {
    self.process = process
    self.pipes = pipes
    pipes[0].closeReadEnd()
    pipes[1].closeWriteEnd()
    pipes[2].closeWriteEnd()
  }

  deinit {
    guard !hasEnded else { return }
    kill(process, SIGKILL)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
  }

  /// Waits for a whole line of standard error that holds a text.
  public func errorLine(containing text: String, seconds: Double) throws -> String {
    let deadline = ProgramExchange.now() + seconds
    while true {
      let lines = String(decoding: errorOutput, as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      if let line = lines.first(where: { $0.contains(text) }) { return String(line) }
      let left = deadline - ProgramExchange.now()
      guard left > 0, let count = readErrors(milliseconds: Int32(left * 1000) + 1) else {
        throw FixtureError("no '\(text)' in: \(String(decoding: errorOutput, as: UTF8.self))")
      }
      guard count > 0 else {
        throw FixtureError("it ended: \(String(decoding: errorOutput, as: UTF8.self))")
      }
    }
  }

  /// Reads what standard error holds now: a program whose lines nobody reads would wait for that.
  public func drainErrors() { while let count = readErrors(milliseconds: 0), count > 0 {} }

  /// The number of bytes that came; nil where none came in time.
  private func readErrors(milliseconds: Int32) -> Int? {
    var waiting = pollfd(fd: pipes[2].readEnd, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, milliseconds) > 0 else { return nil }
    var block = [UInt8](repeating: 0, count: 4096)
    let count = block.withUnsafeMutableBytes { read(pipes[2].readEnd, $0.baseAddress, $0.count) }
    errorOutput += block.prefix(max(0, count))
    return count
  }

  /// Sends a signal and waits for the end.
  ///
  /// - Returns: the exit code, or 128 plus the number of the signal that ended the program.
  public func end(_ signal: Int32, seconds: Double) throws -> Int32 {
    kill(process, signal)
    let deadline = ProgramExchange.now() + seconds
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      guard ProgramExchange.now() < deadline else { throw FixtureError("it did not end") }
      usleep(10_000)
    }
    hasEnded = true
    let number = status & 0x7f
    return number == 0 ? (status >> 8) & 0xff : 128 + number
  }
}

extension ProgramRunner {
  /// Starts the program and leaves it running.
  public func start(_ arguments: [String]) throws -> RunningProgram {
    let (process, pipes) = try spawn(arguments)
    return RunningProgram(process, pipes)
  }
}
