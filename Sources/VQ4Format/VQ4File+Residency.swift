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
    let pages = mapping.pages(of: groups[group].fileRange)
    guard mapping.isMapped, !pages.isEmpty else { return true }
    let last = (pages.count - 1) / MappedFile.pageSize
    return isResident(pages, page: 0) && isResident(pages, page: last / 2)
      && isResident(pages, page: last)
  }

  private func isResident(_ pages: UnsafeRawBufferPointer, page: Int) -> Bool {
    let start = pages.baseAddress! + page * MappedFile.pageSize
    var state: UInt8 = 1
    let failure = mincore(UnsafeMutableRawPointer(mutating: start), MappedFile.pageSize, &state)
    return failure != 0 || state & 1 == 1
  }

  /// Asks the system to read a group's bytes into memory; returns once the reads are under way.
  package func readAhead(group: Int) {
    let pages = mapping.pages(of: groups[group].fileRange)
    guard mapping.isMapped, !pages.isEmpty else { return }
    // Advice that is not taken costs speed only.
    _ = madvise(
      UnsafeMutableRawPointer(mutating: pages.baseAddress!), pages.count, MADV_WILLNEED)
  }
}
