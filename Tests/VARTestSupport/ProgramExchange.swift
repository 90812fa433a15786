#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Moves bytes between a running program and the test until both of its outputs are closed.
struct ProgramExchange {
  let process: pid_t
  /// Standard input, output and error.
  let pipes: [Pipe]
  let input: [UInt8]
  let outputLimit: Int?
  var interruptAt: [UInt8]?
  var interruptSignal = SIGINT
  /// Called with the process every few milliseconds while it runs.
  var watch: ((pid_t) -> Void)?
  private(set) var output: [UInt8] = []
  private(set) var errorOutput: [UInt8] = []
  private(set) var interruptTime: Double?
  private var sent = 0
  private static let watchMilliseconds: Int32 = 3

  init(process: pid_t, pipes: [Pipe], input: [UInt8], outputLimit: Int?) {
    self.process = process
    self.pipes = pipes
    self.input = input
    self.outputLimit = outputLimit
    pipes[0].closeReadEnd()
    pipes[1].closeWriteEnd()
    pipes[2].closeWriteEnd()
    _ = fcntl(pipes[0].writeEnd, F_SETFL, O_NONBLOCK)
    if input.isEmpty { pipes[0].closeWriteEnd() }
  }

  /// Seconds on a clock that never goes back.
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Returns false where the program has not closed its outputs by `deadline`.
  mutating func run(deadline: Double) -> Bool {
    while pipes[1].readEnd >= 0 || pipes[2].readEnd >= 0 {
      let left = deadline - Self.now()
      guard left > 0 else { return false }
      // A negative descriptor is passed over.
      var polls = [
        pollfd(fd: pipes[0].writeEnd, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: pipes[1].readEnd, events: Int16(POLLIN), revents: 0),
        pollfd(fd: pipes[2].readEnd, events: Int16(POLLIN), revents: 0),
      ]
      let milliseconds = watch == nil ? Int32(left * 1000) + 1 : Self.watchMilliseconds
      guard poll(&polls, 3, milliseconds) >= 0 || errno == EINTR else { return false }
      watch?(process)
      if polls[0].revents != 0 { send() }
      if polls[1].revents != 0 { receive(pipes[1], into: &output) }
      if polls[2].revents != 0 { receive(pipes[2], into: &errorOutput) }
      if let outputLimit, output.count >= outputLimit { pipes[1].closeReadEnd() }
      interruptIfDue()
    }
    return true
  }

  private mutating func send() {
    let count = input.withUnsafeBytes {
      write(pipes[0].writeEnd, $0.baseAddress! + sent, input.count - sent)
    }
    if count > 0 { sent += count }
    if sent == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) {
      pipes[0].closeWriteEnd()
    }
  }

  private func receive(_ pipe: Pipe, into bytes: inout [UInt8]) {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    let count = block.withUnsafeMutableBytes { read(pipe.readEnd, $0.baseAddress, $0.count) }
    if count > 0 {
      bytes += block.prefix(count)
    } else if count == 0 || errno != EINTR {
      pipe.closeReadEnd()
    }
  }

  private mutating func interruptIfDue() {
    guard let text = interruptAt, interruptTime == nil, errorOutput.count >= text.count,
      (0...(errorOutput.count - text.count)).contains(where: {
        errorOutput[$0..<($0 + text.count)].elementsEqual(text)
      })
    else { return }
    interruptTime = Self.now()
    kill(process, interruptSignal)
  }
}
