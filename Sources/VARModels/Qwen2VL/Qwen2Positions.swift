/// Positions of tokens on the temporal, height and width axes (MODEL 8).
package struct Qwen2Positions: Sendable, Equatable {
  package struct Position: Sendable, Equatable {
    package var temporal, height, width: Int

    package init(_ position: Int) {
      temporal = position
      height = position
      width = position
    }

    package init(temporal: Int, height: Int, width: Int) {
      self.temporal = temporal
      self.height = height
      self.width = width
    }

    /// The position that turns a frequency: the first `sections[0]` frequencies turn by the temporal position, the next
    /// `sections[1]` by the height, the others by the width (MODEL 8). A section may be empty.
    package func turning(frequency index: Int, sections: [Int]) -> Int {
      if index < sections[0] { return temporal }
      return index < sections[0] + sections[1] ? height : width
    }
  }

  package private(set) var positions: [Position] = []
  /// What the position of the next text token is.
  package private(set) var next = 0

  package init() {}

  /// Makes room for `count` tokens.
  package mutating func reserveCapacity(_ count: Int) { positions.reserveCapacity(count) }

  /// The next text position minus the number of tokens (at most 0): what decoding adds to a cache index.
  package var ropeDelta: Int { next - positions.count }

  /// Appends the tokens of a prompt.
  ///
  /// - Parameters:
  ///   - ids: token ids, with every picture's placeholder already repeated for each of its tokens.
  ///   - grids: merged grid of each picture, in order.
  package mutating func append(ids: [Int32], grids: [GridSize], tokens: SpecialTokens) {
    var grids = grids[...]
    var index = 0
    while index < ids.count {
      let startsPicture =
        Int(ids[index]) == tokens.imagePad && index > 0
        && Int(ids[index - 1]) == tokens.visionStart
      if startsPicture, let grid = grids.popFirst() {
        for row in 0..<grid.height {
          for column in 0..<grid.width {
            positions.append(Position(temporal: next, height: next + row, width: next + column))
          }
        }
        next += max(grid.height, grid.width, 1)
        index += grid.tokenCount
      } else {
        appendText()
        index += 1
      }
    }
  }

  /// Appends one token that belongs to no picture.
  package mutating func appendText() {
    positions.append(Position(next))
    next += 1
  }

  /// Forgets the tokens from index `count` on; `next` is what it was before them.
  package mutating func truncate(to count: Int, next: Int) {
    positions.removeSubrange(count...)
    self.next = next
  }
}
