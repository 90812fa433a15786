import VARSystem

extension VQ4File {
  /// Whether a group's bytes seem to be in memory: the pages at its beginning, middle and end are.
  ///
  /// For a file that the process neither owns nor may write, the system says yes to everything.
  package func seemsResident(group: Int) -> Bool {
    guard let pages = pages(ofGroup: group) else { return true }
    let last = (pages.count - 1) / MemoryPages.byteCount
    return isResident(pages, page: 0) && isResident(pages, page: last / 2)
      && isResident(pages, page: last)
  }

  private func isResident(_ pages: UnsafeRawBufferPointer, page: Int) -> Bool {
    MemoryPages.isResident(pages.baseAddress! + page * MemoryPages.byteCount)
  }

  /// Asks the system to read a group's bytes into memory; returns once the reads are under way.
  package func readAhead(group: Int) {
    if let pages = pages(ofGroup: group) { MemoryPages.willNeed(pages) }
  }

  /// Brings the pages of a group into memory, one piece after another.
  ///
  /// - Parameters:
  ///   - byteCount: what it may bring at most.
  ///   - pieceByteCount: a whole number of pages.
  ///   - isStopped: asked before each piece.
  /// - Returns: bytes that were asked for.
  package func populate(
    group: Int, atMost byteCount: Int, pieceByteCount: Int, isStopped: () -> Bool
  ) -> Int {
    guard let pages = pages(ofGroup: group) else { return 0 }
    let end = min(pages.count, byteCount)
    var done = 0
    while done < end, !isStopped() {
      let next = min(done + pieceByteCount, end)
      MemoryPages.populate(UnsafeRawBufferPointer(rebasing: pages[done..<next]))
      done = next
    }
    return done
  }

  /// Lets a group's pages leave this process's memory; they stay in the page cache. Without effect on results.
  package func forgetPages(group: Int) {
    guard groupAlignment >= MemoryPages.byteCount, let pages = pages(ofGroup: group) else { return }
    MemoryPages.forget(pages)
  }

  /// A group from the beginning of its first page on; nil where it is not the file's own pages, or empty.
  private func pages(ofGroup group: Int) -> UnsafeRawBufferPointer? {
    let range = groups[group].fileRange
    guard bytes.region != nil, !range.isEmpty, let group = inPlace(range) else { return nil }
    let before = Int(bitPattern: group.baseAddress) % MemoryPages.byteCount
    return UnsafeRawBufferPointer(
      start: group.baseAddress! - before, count: group.count + before)
  }
}
