/// How a range of work is cut into chunks that threads take in turn.
///
/// The first chunks, one per thread, cover half of the work in equal parts, the next ones half of what is left, and
/// so on, down to the smallest size. So threads of the same speed work as with equal parts, in few long runs, and when
/// one is slow or disturbed, or comes late, the others take what it would have had; at the end all wait for a small
/// chunk at most. A thread that is too slow to help costs no more than its first chunk: half of an equal part.
package struct ChunkSchedule {
  /// Chunks, some of them possibly empty.
  package let chunkCount: Int
  private let count: Int
  private let grain: Int
  private let parts: Int
  /// How often the chunks' size halves.
  private let levels: Int

  private static let mostLevels = 8

  /// - Parameters:
  ///   - count: size of the range, at least 1.
  ///   - parts: threads that share it.
  ///   - smallest: size of a chunk that is still worth taking.
  ///   - grain: chunks begin at its multiples.
  package init(count: Int, parts: Int, smallest: Int, grain: Int) {
    precondition(count > 0 && parts > 0 && grain > 0, "no work to cut")
    self.count = count
    self.grain = grain
    self.parts = parts
    var levels = 0
    while levels < Self.mostLevels, (count / parts) >> (levels + 1) >= max(smallest, grain) {
      levels += 1
    }
    self.levels = levels
    chunkCount = parts * (levels + 1)
  }

  /// The indices of a chunk. All together cover `0..<count` once, and a later chunk never comes before an earlier one.
  package func range(_ chunk: Int) -> Range<Int> {
    let (level, index) = (chunk / parts, chunk % parts)
    // In slots of the last level's size.
    let slots = parts << levels
    let width = level < levels ? 1 << (levels - level - 1) : 1
    let first = slots - (slots >> level) + index * width
    return boundary(first, of: slots)..<boundary(first + width, of: slots)
  }

  private func boundary(_ slot: Int, of slots: Int) -> Int {
    let units = (count + grain - 1) / grain
    return min(count, units * slot / slots * grain)
  }
}
