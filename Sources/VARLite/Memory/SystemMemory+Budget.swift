import VARSystem

extension SystemMemory {
  /// Bytes that a request may take by itself where the user names no budget: the available ones but for a sixteenth of
  /// the total, at least 64 MiB, which stays with the system.
  public var defaultBudgetBytes: Int {
    max(0, availableBytes - max(64 << 20, totalBytes / 16))
  }
}
