import VARQuantization

/// What is found for a weight before its chunks are encoded: a codebook, and how errors are made good.
struct JobPreparation: Sendable {
  /// How the errors of weights of one input are made good.
  struct KnownCompensation: Sendable {
    let input: String
    /// Whether it counts on a bias.
    let isCentred: Bool
    let isForIntegers: Bool
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
    codebook
      ?? sample.map {
        CodebookSample.codebook(
          of: $0, cols: job.row.cols, groupSize: job.row.groupSize, range: job.row.codebookRange)
      }
  }

  /// - Parameter known: what was found last.
  func findCompensation(known: KnownCompensation?) -> KnownCompensation? {
    guard let moments else { return nil }
    let (isCentred, isForIntegers) = (!moments.means.isEmpty, job.row.precision.isInteger)
    if let known, known.input == job.row.input, known.isCentred == isCentred,
      known.isForIntegers == isForIntegers
    {
      return known
    }
    return KnownCompensation(
      input: job.row.input, isCentred: isCentred, isForIntegers: isForIntegers,
      value: Compensation(moments, isForIntegers: isForIntegers))
  }
}
