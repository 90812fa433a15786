/// A block that is being read into memory. Everything that changes is behind the readers' monitor.
///
/// Whoever asks for it owns the memory, and gives it back only when the load is done or abandoned. The load itself does
/// not keep it: a reader that the system holds up after its last byte would, long after the memory is counted as free.
final class BlockLoad: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  /// Bytes from `base` that nothing has touched yet.
  let untouchedBytes: Int
  var failure: ModelError?
  /// Batches that wait or are being read.
  var pendingCount = 0
  /// Threads that write to the memory.
  var runningCount = 0
  /// More batches will come.
  var isOpen = false
  var isAbandoned = false

  init(base: UnsafeMutableRawPointer, untouchedBytes: Int = 0) {
    self.base = base
    self.untouchedBytes = untouchedBytes
  }

  var isDone: Bool { !isOpen && pendingCount == 0 }
}
