import VARLite
import VARModels

/// What the rows of a case are in the language model, and which sequence each belongs to.
///
///     rows        text ...   scale 0   scale 1 ...   scale 0   scale 1 ...
///     sequence    0          0         0             1         2
///     branch      conditional                        unconditional, with guidance alone
struct CaseLayout {
  let textCount: Int
  let scales: [ScaleStep]
  /// Rows of each sequence: the first continues from the text to the last scale, the others begin anew with each scale
  /// (MODEL 9.4).
  let sequences: [Range<Int>]
  let rowCount: Int

  /// - Parameter scales: of the picture, where the case has one.
  init(_ item: PreparedCase, _ scales: [ScaleStep]) {
    self.init(textCount: item.ids.count, scales: item.bits == nil ? [] : scales)
  }

  private init(textCount: Int, scales: [ScaleStep]) {
    self.textCount = textCount
    self.scales = scales
    let conditional = textCount + scales.reduce(0) { $0 + $1.tokenCount }
    var sequences = [0..<conditional]
    var next = conditional
    for scale in scales where scale.branchCount == 2 {
      sequences.append(next..<next + scale.tokenCount)
      next += scale.tokenCount
    }
    self.sequences = sequences
    rowCount = next
  }

  /// Rows of a scale's tokens in one branch.
  func rows(_ scale: ScaleStep, branch: Int) -> Range<Int> {
    let first =
      branch == 0 ? textCount + scale.cachedTokens : sequences[1 + scale.index].lowerBound
    return first..<first + scale.tokenCount
  }
}
