import VARKernels
import VARSystem

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
      throw BenchmarkError(.outOfMemory, "the system refused \(threadCount) threads; take fewer")
    }
    return pool
  }

  private static func processorName() -> String {
    let lines = SystemFile.text("/proc/cpuinfo")?.split(separator: "\n")
    let line = lines?.first { $0.hasPrefix("model name") || $0.hasPrefix("Model") }
    guard let name = line?.split(separator: ":").last else { return "unknown" }
    return String(name.drop { $0 == " " })
  }
}

extension ProcessMemory {
  /// The largest resident memory so far, in MiB; 0 where the system does not tell.
  static var peakMebibytes: Double { Double(peakByteCount() ?? 0) / 0x1p20 }
}
