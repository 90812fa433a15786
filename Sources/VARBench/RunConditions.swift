import VARKernels
import VARSystem

/// What all measurements of one run share.
package struct RunConditions: Sendable {
  package let threadCount: Int
  package let instructionSet: InstructionSet
  package let pages: PageKind
  package let codebook: CodebookKind
  /// Measured runs of each quantity.
  package let repeats: Int
  /// The processor's name, as the system gives it.
  package let processor: String

  package init(
    threadCount: Int, instructionSet: InstructionSet, pages: PageKind,
    codebook: CodebookKind = .narrow, repeats: Int
  ) {
    self.threadCount = threadCount
    self.instructionSet = instructionSet
    self.pages = pages
    self.codebook = codebook
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
