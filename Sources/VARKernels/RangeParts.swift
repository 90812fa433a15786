/// A range in parts of at most `size`. A type of its own: a lazy map would allocate in every layer.
package struct RangeParts: Sequence, IteratorProtocol {
  private let end: Int
  private let size: Int
  private var first: Int

  package init(_ range: Range<Int>, of size: Int) {
    first = range.lowerBound
    end = range.upperBound
    self.size = size
  }

  package mutating func next() -> Range<Int>? {
    guard first < end else { return nil }
    let part = first..<Swift.min(first + size, end)
    first = part.upperBound
    return part
  }
}

extension Compute {
  /// The rows `0..<count` in blocks that fit the scratch buffers.
  package static func rowBlocks(_ count: Int) -> RangeParts {
    RangeParts(0..<count, of: maximumBlockRows)
  }
}
