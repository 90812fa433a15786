/// Merges the bytes of one piece: always the pair of lowest rank, of equals the leftmost.
///
/// Short pieces search a small array; long ones keep the pairs in a heap, so that a piece of n
/// bytes costs n log n (a megabyte of one letter takes well under a second).
struct BytePairMerger {
  static let noRank = UInt32.max
  /// Up to here the plain search is faster.
  static let shortPieceByteCount = 96

  private let tokenizer: Tokenizer
  private var ids = [UInt32](repeating: 0, count: shortPieceByteCount)
  private var ranks = [UInt32](repeating: 0, count: shortPieceByteCount)

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
  }

  mutating func append(
    _ piece: UnsafePointer<UInt8>, count: Int, to output: inout [Int32]
  ) {
    if count <= Self.shortPieceByteCount {
      appendShort(piece, count, &output)
    } else {
      appendLong(piece, count, &output)
    }
  }

  private mutating func appendShort(
    _ piece: UnsafePointer<UInt8>, _ byteCount: Int, _ output: inout [Int32]
  ) {
    let tokenizer = tokenizer
    ids.withUnsafeMutableBufferPointer { ids in
      ranks.withUnsafeMutableBufferPointer { ranks in
        var count = byteCount
        for index in 0..<count { ids[index] = tokenizer.byteTokens[Int(piece[index])] }
        for index in 0..<(count - 1) {
          ranks[index] = tokenizer.mergeRank(ids[index], ids[index + 1])
        }
        while count > 1 {
          var best = 0
          for index in 1..<(count - 1) where ranks[index] < ranks[best] { best = index }
          guard ranks[best] != Self.noRank else { break }
          ids[best] = tokenizer.mergeResults[Int(ranks[best])]
          count -= 1
          var index = best + 1
          while index < count {
            ids[index] = ids[index + 1]
            ranks[index - 1] = ranks[index]
            index += 1
          }
          if best > 0 { ranks[best - 1] = tokenizer.mergeRank(ids[best - 1], ids[best]) }
          if best + 1 < count { ranks[best] = tokenizer.mergeRank(ids[best], ids[best + 1]) }
        }
        for index in 0..<count { output.append(Int32(bitPattern: ids[index])) }
      }
    }
  }

  private func appendLong(
    _ piece: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32]
  ) {
    var ids = [UInt32](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count {
        buffer.initializeElement(at: index, to: tokenizer.byteTokens[Int(piece[index])])
      }
      initialized = count
    }
    // The symbols as a list over the positions of their first bytes; `count` ends it.
    var next = Array(1...count)
    var previous = Array(-1..<(count - 1))
    var ranks = [UInt32](repeating: Self.noRank, count: count)
    var heap = PairHeap(capacity: count)
    func refresh(_ position: Int) {
      let right = next[position]
      ranks[position] = right < count ? tokenizer.mergeRank(ids[position], ids[right]) : Self.noRank
      if ranks[position] != Self.noRank { heap.insert(rank: ranks[position], position: position) }
    }
    for position in 0..<count { refresh(position) }
    while let (rank, position) = heap.removeFirst() {
      // Pairs that have changed since stay in the heap; they no longer have that rank.
      guard ranks[position] == rank else { continue }
      let right = next[position]
      ids[position] = tokenizer.mergeResults[Int(rank)]
      ranks[right] = Self.noRank
      next[position] = next[right]
      if next[right] < count { previous[next[right]] = position }
      refresh(position)
      if previous[position] >= 0 { refresh(previous[position]) }
    }
    var position = 0
    while position < count {
      output.append(Int32(bitPattern: ids[position]))
      position = next[position]
    }
  }
}

/// A binary heap of pairs; the first has the lowest rank, then the lowest position.
private struct PairHeap {
  private var keys: [UInt64] = []

  init(capacity: Int) { keys.reserveCapacity(capacity) }

  /// A rank has 20 bits, which leaves 44 for the position.
  mutating func insert(rank: UInt32, position: Int) {
    let key = UInt64(rank) << 44 | UInt64(position)
    var index = keys.count
    keys.append(key)
    while index > 0 {
      let parent = (index - 1) / 2
      if keys[parent] <= key { break }
      keys[index] = keys[parent]
      index = parent
    }
    keys[index] = key
  }

  mutating func removeFirst() -> (rank: UInt32, position: Int)? {
    guard let first = keys.first, let last = keys.popLast() else { return nil }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < keys.count else { break }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      if keys[child] >= last { break }
      keys[index] = keys[child]
      index = child
    }
    if !keys.isEmpty { keys[index] = last }
    return (UInt32(first >> 44), Int(first & 0xFFF_FFFF_FFFF))
  }
}
