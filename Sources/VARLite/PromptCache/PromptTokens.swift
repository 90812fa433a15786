import VARModels
import VQ4Format

/// The first tokens of a conversation with all that decides what their keys and values are: ids, positions, and the
/// pictures that stand behind placeholders.
struct PromptTokens: Equatable, Sendable {
  private(set) var ids: [Int32] = []
  private(set) var positions: [Qwen2Positions.Position] = []
  /// Hash of the picture that a token is of; nil for a token of text.
  private(set) var pictures: [VQ4Hash?] = []

  /// A picture of a prompt as the model sees it.
  struct Picture {
    /// Merged grid: tokens along each side.
    let grid: GridSize
    let hash: VQ4Hash
  }

  /// - Parameters:
  ///   - ids: every picture stands as one placeholder per picture token.
  ///   - pictures: those of the placeholders, in order.
  init(_ ids: [Int32], pictures: [Picture] = [], tokens: SpecialTokens) {
    self.ids = ids
    var counted = Qwen2Positions()
    counted.append(ids: ids, grids: pictures.map(\.grid), tokens: tokens)
    positions = counted.positions
    let ofPictures = pictures.flatMap { Array(repeating: $0.hash, count: $0.grid.tokenCount) }
    var next = ofPictures.makeIterator()
    self.pictures = ids.map { Int($0) == tokens.imagePad ? next.next() : nil }
  }

  var count: Int { ids.count }

  /// Tokens from the first on that are the same in another conversation.
  func commonCount(with other: PromptTokens) -> Int {
    let limit = min(count, other.count)
    var common = 0
    while common < limit, ids[common] == other.ids[common],
      positions[common] == other.positions[common], pictures[common] == other.pictures[common]
    { common += 1 }
    return common
  }

  /// Adds tokens of text, where they stand.
  mutating func append(
    _ ids: ArraySlice<Int32>, at positions: ArraySlice<Qwen2Positions.Position>
  ) {
    self.ids += ids
    self.positions += positions
    pictures += Array(repeating: nil, count: ids.count)
  }

  /// Tells such tokens apart.
  var hash: VQ4Hash {
    var hash = PromptHash()
    hash.add(ids)
    hash.add(positions.flatMap { [Int32($0.temporal), Int32($0.height), Int32($0.width)] })
    hash.add(pictures.flatMap { hash in [hash?.high ?? 0, hash?.low ?? 0, hash == nil ? 0 : 1] })
    return hash.value
  }
}
