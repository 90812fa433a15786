#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Pages of memory, as the system gives and takes them.
package enum MemoryPages {
  /// Bytes of a page.
  package static let byteCount = Int(sysconf(Int32(_SC_PAGESIZE)))

  /// Bytes of the whole pages that so many bytes take.
  package static func roundedUp(_ count: Int) -> Int {
    (count + byteCount - 1) / byteCount * byteCount
  }

  /// Whether a page of a mapped file is in memory; yes where the system does not say. Asking brings none there.
  package static func isResident(_ page: UnsafeRawPointer) -> Bool {
    var state: UInt8 = 1
    let failure = mincore(UnsafeMutableRawPointer(mutating: page), byteCount, &state)
    return failure != 0 || state & 1 == 1
  }

  /// Asks the system to read pages of a mapped file; returns once the reads are under way. What the system does not
  /// heed costs speed only.
  package static func willNeed(_ pages: UnsafeRawBufferPointer) { advise(pages, MADV_WILLNEED) }

  /// Brings pages of a mapped file into this process's memory, and returns when they are there. What the system does
  /// not heed (Linux before 5.14 does not), and what cannot be read, costs speed only.
  ///
  /// - Parameter pages: from the beginning of a page.
  package static func populate(_ pages: UnsafeRawBufferPointer) {
    let madvPopulateRead: Int32 = 22
    advise(pages, madvPopulateRead)
  }

  /// Lets pages of a mapped file leave this process's memory; they come back when they are touched.
  package static func forget(_ pages: UnsafeRawBufferPointer) { advise(pages, MADV_DONTNEED) }

  private static func advise(_ pages: UnsafeRawBufferPointer, _ advice: Int32) {
    _ = madvise(UnsafeMutableRawPointer(mutating: pages.baseAddress), pages.count, advice)
  }
}
