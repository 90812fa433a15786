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
}
