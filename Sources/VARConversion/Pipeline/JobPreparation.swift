import VARQuantization

/// What is found for a weight before its chunks are encoded: a codebook, and how errors are made good.
struct JobPreparation: Sendable {
  /// How the errors of weights of one input are made good.
  struct KnownCompensation: Sendable {
    let input: String
    /// Whether it counts on a bias.
    let isCentred: Bool
    let value: Compensation
  }

  let job: WeightJob
  /// The codebook of a stopped conversion.
  let codebook: [Int8]?
  /// Rows `[rowCount][cols]` that a codebook is chosen by; nil where it is known or there is none.
  let sample: [Float]?
  /// nil rounds to the nearest.
  let moments: SecondMoments?

  func findCodebook() -> [Int8]? {
    codebook ?? sample.map { SampleRows.codebook(of: $0, row: job.row) }
  }

  /// - Parameter known: what was found last.
  func findCompensation(known: KnownCompensation?) -> KnownCompensation? {
    guard let moments else { return nil }
    let isCentred = !moments.means.isEmpty
    if let known, known.input == job.row.input, known.isCentred == isCentred { return known }
    return KnownCompensation(
      input: job.row.input, isCentred: isCentred, value: Compensation(moments))
  }
}
