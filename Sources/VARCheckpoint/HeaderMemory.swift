import Synchronization
import VARJSON
import VARSystem

/// Memory that the program may take while headers are read: before that, no plan can know of them.
package enum HeaderMemory {
  /// What a body may take, and what it has read.
  private final class Account: Sendable {
    /// In bytes, the program included.
    let limit: Int
    /// Bytes of headers so far.
    let readByteCount = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }
  }

  /// nil: no limit.
  @TaskLocal private static var account: Account?

  /// So many bytes of headers are read in any case: they take at most 40 MiB, whatever they hold.
  private static let freeByteCount = 1 << 20

  /// Runs a body in which no header is read that could take more than `byteCount`.
  package static func within<Value>(
    _ byteCount: Int, _ body: () throws -> Value
  ) rethrows -> Value {
    try $account.withValue(Account(limit: byteCount), operation: body)
  }

  /// Throws `headerOverBudget` where a header of `byteCount` bytes could take more than is left.
  static func require(_ byteCount: Int, in path: String) throws(CheckpointError) {
    guard let account else { return }
    let readByteCount = account.readByteCount.add(byteCount, ordering: .relaxed).newValue
    guard readByteCount > freeByteCount else { return }
    // The text, the tree, and what is made of it.
    let needed =
      (ProcessMemory.current()?.byteCount ?? 0) + JSONValue.treeByteCount(ofText: byteCount)
      + 4 * byteCount
    guard needed > account.limit else { return }
    throw CheckpointError(
      .headerOverBudget, path: path,
      "reading \(byteCount) bytes of header may take \(needed) bytes of memory, the program "
        + "included, \(account.limit) are granted")
  }
}
