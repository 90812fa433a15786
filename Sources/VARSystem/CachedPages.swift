#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Which pages of a region of a file were in the page cache at one moment; asking brought none there.
final class CachedPages: Sendable {
  private let firstPage: Int
  /// A byte for each page, as `mincore` tells it; none where the system did not say.
  private let states: [UInt8]

  init(of region: FileRegion) {
    firstPage = region.range.lowerBound / MemoryPages.byteCount
    // Mapped for the question alone.
    guard let pages = try? FileMapping.map(region.range, of: region.file) else {
      states = []
      return
    }
    defer { FileMapping.unmap(pages) }
    let count = MemoryPages.roundedUp(pages.count) / MemoryPages.byteCount
    var states = [UInt8](repeating: 0, count: count)
    let start = UnsafeMutableRawPointer(mutating: pages.baseAddress!)
    self.states = mincore(start, pages.count, &states) == 0 ? states : []
  }

  /// Whether all pages of a part of the file, which lies in the region, were there.
  func contain(_ range: Range<Int>) -> Bool {
    let first = range.lowerBound / MemoryPages.byteCount - firstPage
    let end = MemoryPages.roundedUp(range.upperBound) / MemoryPages.byteCount - firstPage
    return end <= states.count && states[first..<end].allSatisfy { $0 & 1 == 1 }
  }
}
