/// Whose turn it is among layers that are counted and rounded one after the other, while all of them are seen time and
/// again in the same order.
struct LayerTurns {
  private var current: Int?
  private var done: Set<Int> = []
  private var hasSeenOthers = false
  /// Whether layers that were seen have not had their turn yet.
  private(set) var hasLayersLeft = false

  /// A layer is seen.
  ///
  /// - Returns: whether it is its turn: it is that of the first layer seen that has not had its own.
  mutating func see(_ layer: Int) -> Bool {
    guard !done.contains(layer) else { return false }
    let turn = current ?? layer
    current = turn
    if layer != turn { hasSeenOthers = true }
    return layer == turn
  }

  /// All have been seen, and it is the next one's turn; behind the last one others follow.
  mutating func advance() {
    hasLayersLeft = hasSeenOthers
    if hasLayersLeft, let current { done.insert(current) } else { done = [] }
    (current, hasSeenOthers) = (nil, false)
  }
}
