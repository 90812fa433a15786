/// Places in a ring buffer: taken in one order and given back in the same. A place is in one piece, so what is left at
/// the end of the buffer may be skipped.
package struct RingSpace {
  package let byteCount: Int
  private var head = 0
  private var usedBytes = 0
  /// The places that are taken: whose they are, and their bytes with what was skipped before them.
  private var taken: [(owner: Int, byteCount: Int)] = []

  package init(byteCount: Int) { self.byteCount = byteCount }

  package var isEmpty: Bool { taken.isEmpty }

  /// Whether places of these sizes, taken one after the other, can all be there at the same time, once everything
  /// before them is given back.
  package func canHold(_ sizes: [Int]) -> Bool {
    var (position, total) = (isEmpty ? 0 : head, 0)
    for size in sizes {
      let cost = self.cost(size, at: position)
      total += cost
      position = (position + cost) % max(byteCount, 1)
    }
    return total <= byteCount
  }

  /// - Returns: where the place begins; nil where it is not free yet.
  package mutating func take(_ size: Int, for owner: Int) -> Int? {
    if isEmpty { head = 0 }
    let cost = self.cost(size, at: head)
    guard usedBytes + cost <= byteCount else { return nil }
    let start = head + size <= byteCount ? head : 0
    head = start + size
    usedBytes += cost
    taken.append((owner, cost))
    return start
  }

  /// Gives back the places that were taken first, up to one whose owner still has it.
  package mutating func giveBack(unless isTaken: (_ owner: Int) -> Bool) {
    while let first = taken.first, !isTaken(first.owner) {
      usedBytes -= first.byteCount
      taken.removeFirst()
    }
  }

  /// Bytes from `position` to the end of a place of this size.
  private func cost(_ size: Int, at position: Int) -> Int {
    position + size <= byteCount ? size : byteCount - position + size
  }
}
