import VARForcedRun
import VARKernels
import VARSystem

/// Watches the run of a model: holds what it says against what the reference said of the same tokens and bits.
final class DivergenceWatcher: ForcedRunWatcher {
  let wantsWordLogits = true
  /// Of each scale.
  private(set) var bits: [BitDivergence] = []
  /// Of the words of answers; those before a picture, always the same, are left out.
  private(set) var words = WordDivergence()
  private var reader: LogitsSpool.Reader
  private let isDrawing: [Bool]

  init(_ spool: LogitsSpool, cases: [PreparedCase]) {
    reader = LogitsSpool.Reader(spool)
    isDrawing = cases.map { $0.bits != nil }
  }

  func observe(_ site: LinearSite, _ input: Rows) {}

  func see(wordLogits: Rows, ofCase index: Int) throws {
    guard !isDrawing[index] else { return }
    for row in 0..<wordLogits.count {
      let expected = try reader.read(wordLogits.columns)
      expected.withUnsafeBufferPointer {
        words.add(reference: $0, UnsafeBufferPointer(wordLogits[row..<row + 1].values))
      }
    }
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    let expected = try reader.read(bitLogits.values.count)
    while bits.count <= scale { bits.append(BitDivergence()) }
    expected.withUnsafeBufferPointer {
      bits[scale].add(reference: $0, UnsafeBufferPointer(bitLogits.values))
    }
  }
}
