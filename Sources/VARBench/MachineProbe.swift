import CVARProbes
import VARKernels
import VARSystem

/// Measures what the machine can do at most, with as many threads as the run has.
package struct MachineProbe {
  private let conditions: RunConditions
  private let pool: ThreadPool
  private let memory: PageMemory

  /// - Parameter byteCount: bytes that the bandwidth probe reads; far more than the caches hold.
  package init(
    _ conditions: RunConditions, byteCount: Int, temporaryFolder: String
  ) throws(BenchmarkError) {
    self.conditions = conditions
    pool = try conditions.makePool()
    memory = try PageMemory(
      byteCount: byteCount, kind: conditions.pages, temporaryFolder: temporaryFolder)
    // An untouched page would be the system's one page of zeros.
    memory.base.fill(byteCount: memory.byteCount, repeating: RandomBytes.block(seed: 1))
  }

  /// GB/s of reading every byte once, all threads together.
  package func readBandwidth() -> Measurement {
    Stopwatch.repeated(conditions.repeats) {
      Self.read(memory.base, byteCount: memory.byteCount, pool)
    }.map { Double(memory.byteCount) / $0 * 1e-9 }
  }

  /// Reads whole pages once, all threads together.
  static func read(_ base: UnsafeRawPointer, byteCount: Int, _ pool: ThreadPool) {
    let unit = 4096
    pool.parallel(byteCount / unit) { pages in
      _ = cvar_probe_read(base + pages.lowerBound * unit, pages.count * unit)
    }
  }

  /// GOPS of int8 multiply-adds on registers; a multiplication and an addition count as two.
  package func int8Peak() -> Measurement { peak(cvar_probe_int8) }

  /// The same in f32.
  package func fp32Peak() -> Measurement { peak(cvar_probe_fp32) }

  private func peak(
    _ probe: (UnsafePointer<CChar>, UInt64) -> UInt64
  ) -> Measurement {
    let name = conditions.instructionSet.rawValue
    let rounds: UInt64 = 2_000_000
    let operations = Double(probe(name, 1)) * Double(rounds) * Double(pool.threadCount)
    return Stopwatch.repeated(conditions.repeats) {
      pool.parallel(pool.threadCount) { _ in _ = probe(name, rounds) }
    }.map { operations / $0 * 1e-9 }
  }

  /// `read_bandwidth`, `int8_peak`, `fp32_peak`.
  package func records() -> [BenchmarkRecord] {
    [
      BenchmarkRecord(
        "read_bandwidth", "GB/s", readBandwidth(), context: [("bytes", .integer(memory.byteCount))]
      ),
      BenchmarkRecord("int8_peak", "GOPS", int8Peak(), context: [("precision", .string("int8"))]),
      BenchmarkRecord("fp32_peak", "GOPS", fp32Peak(), context: [("precision", .string("f32"))]),
    ]
  }
}
