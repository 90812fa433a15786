import VARSystem

/// Reads a part of the weights between two steps of a model, so that each step meets the limit of its own moment: where
/// others use the memory too, its bandwidth changes from one second to the next.
struct InterleavedProbe {
  private let memory: UnsafeRawBufferPointer
  private let pool: ThreadPool
  private let partBytes: Int
  private var offset = 0

  /// - Parameter memory: far more than the caches hold, in whole pages.
  init(_ memory: UnsafeRawBufferPointer, pool: ThreadPool) {
    self.memory = memory
    self.pool = pool
    partBytes = min(memory.count, 512 << 20)
  }

  /// GB/s of reading the next part once, all threads together.
  mutating func bandwidth() -> Double {
    if offset + partBytes > memory.count { offset = 0 }
    let base = memory.baseAddress! + offset
    offset += partBytes
    return Double(partBytes) * 1e-9
      / Stopwatch.seconds { MachineProbe.read(base, byteCount: partBytes, pool) }
  }
}
