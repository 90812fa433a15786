/// Of which kind the rows of a pass are: words read, words written, pictures looked at, each scale of a drawing, each
/// branch of it.
package struct TokenKinds: Sendable {
  /// For each row, the rows of the same case that are of its kind.
  package let counts: [Int]

  /// - Parameter runs: rows of each kind, one kind after the other.
  init(_ runs: [Int]) {
    counts = runs.flatMap { count in [Int](repeating: count, count: count) }
  }

  init(counts: [Int]) { self.counts = counts }
}
