import VARJSON
import VARSystem

/// Memory that the program may take while headers are read: before that, no plan can know of them.
package enum HeaderMemory {
  /// In bytes, the program included; nil: no limit.
  @TaskLocal private static var limit: Int?

  /// Smaller ones are read in any case: they take at most 40 MiB, whatever they hold.
  private static let smallByteCount = 1 << 20

  /// Runs a body in which no header is read that could take more than `byteCount`.
  package static func within<Value>(
    _ byteCount: Int, _ body: () throws -> Value
  ) rethrows -> Value {
    try $limit.withValue(byteCount, operation: body)
  }

  /// Throws `notEnoughMemory` where a header of `byteCount` bytes could take more than is left.
  static func require(_ byteCount: Int, in path: String) throws(CheckpointError) {
    guard byteCount > smallByteCount, let limit else { return }
    // The text, the tree, and what is made of it.
    let needed =
      (ProcessMemory.current()?.byteCount ?? 0) + JSONValue.treeByteCount(ofText: byteCount)
      + 4 * byteCount
    guard needed > limit else { return }
    throw CheckpointError(
      .notEnoughMemory, path: path,
      "reading \(byteCount) bytes of header may take \(needed) bytes of memory, the program "
        + "included, \(limit) are granted")
  }
}
