import CVARKernels

/// Rows of a weight that its codebook is chosen by.
package enum CodebookSample {
  private static let elementCount = 1 << 17

  /// Numbers of rows spread evenly over a weight `[rowCount][cols]`, some 131,072 elements.
  package static func rows(of rowCount: Int, cols: Int) -> [Int] {
    let count = max(1, min(rowCount, elementCount / cols))
    return (0..<count).map { $0 * rowCount / count }
  }

  /// The codebook for such rows, `sample[rows][cols]`.
  package static func codebook(
    of sample: [Float], cols: Int, groupSize: Int, range: Int?
  ) -> [Int8] {
    sample.withUnsafeBufferPointer { sample in
      let base = sample.baseAddress!
      // Weights that are not finite are reported with their place when their row is encoded.
      guard cvar_first_not_finite(base, sample.count) == sample.count else {
        return Codebook.scaled(Codebook.gaussian, to: range ?? Codebook.fullRange)
      }
      return Codebook.best(
        for: base, rowCount: sample.count / cols, cols: cols, groupSize: groupSize, range: range)
    }
  }
}
