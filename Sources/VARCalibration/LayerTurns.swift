/// Whose turn it is among layers that are counted and rounded one after the other, while all of them are seen time and
/// again in the same order.
struct LayerTurns {
  private var current: Int?
  private var done: Set<Int> = []
  private var hasSeenOthers = false
  /// Whether layers that were seen have not had their turn yet.
  private(set) var areLeft = false

  /// Whether it is the turn of a layer that is seen now: it is that of the first that has not had its own.
  mutating func isTurn(of layer: Int) -> Bool {
    guard !done.contains(layer) else { return false }
    let turn = current ?? layer
    current = turn
    if layer != turn { hasSeenOthers = true }
    return layer == turn
  }

  /// All have been seen, and it is the next one's turn; behind the last one others follow.
  mutating func advance() {
    areLeft = hasSeenOthers
    if areLeft, let current { done.insert(current) } else { done = [] }
    (current, hasSeenOthers) = (nil, false)
  }
}
