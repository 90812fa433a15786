#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A block of zeroed memory straight from the system, in huge pages where they are small enough to be worth it.
///
/// The block itself never changes; what is in it is up to those who share it.
package final class AnonymousMemory: @unchecked Sendable {
  package let base: UnsafeMutableRawPointer
  /// Bytes that were asked for, 1 at least.
  package let byteCount: Int
  private let mappedCount: Int

  package static let hugePageBytes = 2 << 20
  private static let smallestPage = 4096

  /// - Parameter isHuge: false asks for small pages whatever the size.
  /// - Returns: nil where the system refuses the memory.
  package init?(byteCount: Int, isHuge wantsHuge: Bool = true) {
    self.byteCount = max(byteCount, 1)
    mappedCount = MemoryPages.roundedUp(self.byteCount)
    // Systems with pages of 16 or 64 KiB have huge pages of 32 or 512 MiB: most of the last one would be waste.
    let isHuge = wantsHuge && byteCount >= Self.hugePageBytes && MemoryPages.byteCount == 4096
    // Where the system puts a block by itself, its first part may lie in small pages.
    let spareCount = isHuge ? Self.hugePageBytes : 0
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard
      let start = mmap(nil, mappedCount + spareCount, PROT_READ | PROT_WRITE, flags, -1, 0),
      start != MAP_FAILED
    else {
      // Whoever goes on without the memory shall not end with that reason.
      errno = 0
      return nil
    }
    base = isHuge ? start.alignedUp(toMultipleOf: Self.hugePageBytes) : start
    let (madvHugePage, madvNoHugePage): (Int32, Int32) = (14, 15)
    guard isHuge else {
      if !wantsHuge { _ = madvise(base, mappedCount, madvNoHugePage) }
      return
    }
    // A limit on the address space would count what is not used, too.
    let before = base - start
    if before > 0 { munmap(start, before) }
    if before < spareCount { munmap(base + mappedCount, spareCount - before) }
    // A system without huge pages refuses, and gives small ones.
    _ = madvise(base, byteCount, madvHugePage)
  }

  deinit { munmap(base, mappedCount) }

  /// Makes every page resident now, so that a system that is short of memory shows it before the work starts and not
  /// in the middle of it.
  package func touchPages() {
    for offset in stride(from: 0, to: byteCount, by: Self.smallestPage) {
      base.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
  }

  /// Makes pages resident that another thread may be writing to; their contents stay.
  ///
  /// - Parameter pages: from the beginning of a page.
  /// - Returns: false where the system cannot (Linux before 5.14) or has no memory.
  package static func provide(_ pages: UnsafeMutableRawBufferPointer) -> Bool {
    let madvPopulateWrite: Int32 = 23
    return madvise(pages.baseAddress, pages.count, madvPopulateWrite) == 0
  }
}
