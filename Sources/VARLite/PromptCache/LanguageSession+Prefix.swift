import VARKernels
import VARModels

extension LanguageSession {
  /// Puts keys, values and final hidden states of the first tokens in their places instead of computing them. Their ids
  /// and positions are there.
  func restore(_ reuse: PrefixReuse, _ run: RunContext) throws {
    guard let source = reuse.source, reuse.count > 0 else { return }
    cache.copyFirst(reuse.count, from: source.cache)
    // Angles come of the positions.
    for first in stride(from: 0, to: reuse.count, by: capacity.rows) {
      let rows = first..<min(first + capacity.rows, reuse.count)
      try model.prepareRotary(positions.positions[rows], state)
      model.storeRotary(
        [Qwen2Model.SequenceRows(rows: 0..<rows.count, cache: cache, firstIndex: first)], state)
    }
    if capacity.drawing != nil {
      pastHidden[..<reuse.count].copy(from: source.hidden[..<reuse.count])
    }
    if let kept = reuse.kept {
      let count = min(reuse.count, kept.hidden.count)
      kept.hidden[..<count].copy(from: source.hidden[..<count])
    }
  }

  /// The rows of a pass whose final hidden states are kept: where they are, and where they go.
  func keptRows(
    _ indices: Range<Int>, _ kept: KeptPrefix?
  ) -> (hidden: Rows, output: Rows)? {
    guard let kept else { return nil }
    let rows = indices.clamped(to: 0..<kept.hidden.count)
    guard !rows.isEmpty else { return nil }
    let first = rows.lowerBound - indices.lowerBound
    return (state.hidden[first..<first + rows.count], kept.hidden[rows])
  }
}
