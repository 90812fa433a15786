#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A block of memory whose size depends on data. A refusal is an error; the language's own memory ends the process.
///
/// The block itself never changes; what is in it is up to those who share it.
package final class HeapMemory: @unchecked Sendable {
  package let bytes: UnsafeMutableRawBufferPointer

  package static let alignment = 64

  /// - Throws: `allocate`.
  package init(byteCount: Int) throws(SystemError) {
    var start: UnsafeMutableRawPointer?
    let code = posix_memalign(&start, Self.alignment, max(byteCount, 1))
    guard code == 0, let start else { throw SystemError(.allocate, SystemError.outOfMemory) }
    bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  deinit { free(bytes.baseAddress) }

  /// Throws where the system has not so much memory, for an array of the language that is made right afterwards.
  package static func require(_ byteCount: Int) throws(SystemError) {
    guard byteCount > languageByteCount else { return }
    // Not of the heap: giving back a block there makes it keep larger ones from then on.
    guard AnonymousMemory(byteCount: byteCount, isHuge: false) != nil else {
      throw SystemError(.allocate, SystemError.outOfMemory)
    }
  }

  /// Arrays below this size are not asked for beforehand.
  private static let languageByteCount = 1 << 16
}
