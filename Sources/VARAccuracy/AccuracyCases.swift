import VAREvaluation
import VARForcedRun
import VARLite

/// What models are held against each other on.
package enum AccuracyCases: Sendable {
  /// Scenes that the program draws, others than those of calibrations.
  case shipped
  /// A folder of cases, whose drawings can be judged.
  case set(EvaluationSet)

  /// - Parameter limit: cases of each kind at most.
  func forced(for model: Model, limit: Int) throws -> [ForcedCase] {
    switch self {
    case .shipped:
      SceneCases.cases(.accuracy, for: model, limit: limit)
    case .set(let set): try set.forcedCases(limit: limit)
    }
  }

  /// The right answers, by the ids that questions have in reports: of shipped ones their numbers.
  ///
  /// - Parameter forced: all cases.
  func answers(_ forced: [ForcedCase]) -> [String: String] {
    switch self {
    case .shipped:
      Dictionary(
        uniqueKeysWithValues: forced.filter { $0.picture == nil }.enumerated().map {
          ("\($0.offset)", $0.element.answer)
        })
    case .set(let set): set.answers
    }
  }
}
