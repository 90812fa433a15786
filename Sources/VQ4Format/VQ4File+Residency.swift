#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension VQ4File {
  /// Whether a group's bytes seem to be in memory: the pages at its beginning, middle and end are.
  ///
  /// For a file that the process neither owns nor may write, the system says yes to everything.
  package func seemsResident(group: Int) -> Bool {
    guard let pages = pages(ofGroup: group) else { return true }
    let last = (pages.count - 1) / FileBytes.pageSize
    return isResident(pages, page: 0) && isResident(pages, page: last / 2)
      && isResident(pages, page: last)
  }

  private func isResident(_ pages: UnsafeRawBufferPointer, page: Int) -> Bool {
    let start = pages.baseAddress! + page * FileBytes.pageSize
    var state: UInt8 = 1
    let failure = mincore(UnsafeMutableRawPointer(mutating: start), FileBytes.pageSize, &state)
    return failure != 0 || state & 1 == 1
  }

  /// Asks the system to read a group's bytes into memory; returns once the reads are under way.
  package func readAhead(group: Int) {
    guard let pages = pages(ofGroup: group) else { return }
    // Advice that is not taken costs speed only.
    _ = madvise(
      UnsafeMutableRawPointer(mutating: pages.baseAddress!), pages.count, MADV_WILLNEED)
  }

  /// A group from the beginning of its first page on; nil where it is not the file's own pages, or empty.
  private func pages(ofGroup group: Int) -> UnsafeRawBufferPointer? {
    let range = groups[group].fileRange
    guard bytes.descriptor != nil, !range.isEmpty, let group = inPlace(range) else { return nil }
    let before = Int(bitPattern: group.baseAddress) % FileBytes.pageSize
    return UnsafeRawBufferPointer(
      start: group.baseAddress! - before, count: group.count + before)
  }
}
