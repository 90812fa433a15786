import VARKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What all measurements of one run share.
public struct RunConditions: Sendable {
  public let threadCount: Int
  public let instructionSet: InstructionSet
  public let pages: PageKind
  /// Measured runs of each quantity.
  public let repeats: Int
  /// The processor's name, as the system gives it.
  public let processor: String

  public init(threadCount: Int, instructionSet: InstructionSet, pages: PageKind, repeats: Int) {
    self.threadCount = threadCount
    self.instructionSet = instructionSet
    self.pages = pages
    self.repeats = max(1, repeats)
    processor = Self.processorName()
  }

  func makePool() throws(BenchmarkError) -> ThreadPool {
    guard let pool = ThreadPool(threadCount: threadCount) else {
      throw BenchmarkError(.outOfMemory, "the system refused \(threadCount) threads; use --threads")
    }
    return pool
  }

  private static func processorName() -> String {
    let lines = ProcessFacts.read("/proc/cpuinfo").split(separator: "\n")
    let line = lines.first { $0.hasPrefix("model name") || $0.hasPrefix("Model") }
    guard let name = line?.split(separator: ":").last else { return "unknown" }
    return String(name.drop { $0 == " " })
  }
}

/// What the system says about this process and machine.
enum ProcessFacts {
  /// The largest resident memory so far, in bytes.
  static func peakResidentBytes() -> Int {
    for line in read("/proc/self/status").split(separator: "\n") where line.hasPrefix("VmHWM:") {
      let kilobytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
      return (kilobytes.flatMap { Int($0) } ?? 0) * 1024
    }
    return 0
  }

  /// A small text file; empty where it cannot be read.
  static func read(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes {
        readBytes(descriptor, $0.baseAddress! + count, $0.count - count)
      }
      guard got > 0 else { break }
      count += got
    }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}

/// `read` of the C library, whose name the enclosing type takes.
private func readBytes(
  _ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int
) -> Int { read(descriptor, buffer, count) }
