/// Finds added tokens in a text: the leftmost, and of those at one place the longest.
final class AddedTokenMatcher {
  private let ids: UnsafePointer<UInt32>
  private let count: Int
  /// Whether some token starts with a byte.
  private let isFirstByte: UnsafeMutablePointer<Bool>

  /// - Parameter ids: ids of the tokens, sorted by their bytes.
  init(ids: UnsafePointer<UInt32>, count: Int) {
    self.ids = ids
    self.count = count
    isFirstByte = .allocate(capacity: 256)
    isFirstByte.initialize(repeating: false, count: 256)
  }

  deinit { isFirstByte.deallocate() }

  var isEmpty: Bool { count == 0 }

  /// Reads the first bytes; call once, after the tables are checked.
  func prepare(for tokenizer: Tokenizer) {
    for index in 0..<count { isFirstByte[Int(tokenizer.bytes(ofToken: ids[index])[0])] = true }
  }

  /// The first match at or after a position.
  func firstMatch(
    in text: UTF8Text, from position: Int, _ tokenizer: Tokenizer
  ) -> (start: Int, end: Int, id: UInt32)? {
    guard count > 0 else { return nil }
    var start = position
    while start < text.count {
      if isFirstByte[Int(text.bytes[start])],
        let match = longestMatch(in: text, at: start, tokenizer)
      {
        return (start, match.end, match.id)
      }
      start += 1
    }
    return nil
  }

  /// Narrows the sorted list byte by byte: tokens that share the text's first `depth` bytes.
  private func longestMatch(
    in text: UTF8Text, at start: Int, _ tokenizer: Tokenizer
  ) -> (end: Int, id: UInt32)? {
    var low = 0
    var high = count
    var depth = 0
    var best: (end: Int, id: UInt32)?
    while low < high {
      // The token that equals the shared bytes sorts before those that continue them.
      if tokenizer.tokenByteCount(ids[low]) == depth {
        best = (start + depth, ids[low])
        low += 1
      }
      guard start + depth < text.count else { return best }
      let byte = text.bytes[start + depth]
      low = partition(low, high) { tokenizer.bytes(ofToken: ids[$0])[depth] < byte }
      high = partition(low, high) { tokenizer.bytes(ofToken: ids[$0])[depth] == byte }
      depth += 1
    }
    return best
  }

  /// The end of the leading part of `low..<high` for which the condition holds.
  private func partition(_ low: Int, _ high: Int, _ condition: (Int) -> Bool) -> Int {
    var low = low
    var high = high
    while low < high {
      let middle = (low + high) / 2
      if condition(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
