import VARForcedRun
import VARLite
import VARModels
import VARSystem

/// Which cases a search shows a model: fewer to larger models, for whose time they are worth.
enum SearchCases {
  /// Products of a weight and a token that a run takes at most, where there is a choice.
  private static let runProducts = 1e11
  private static let calibrationProducts = 4e13
  /// Tokens that the calibration of a small model has.
  private static let calibrationTokens = 20_000.0

  /// Weights that a token passes.
  private static func weightCount(_ model: Model) -> Double {
    model.tensors.filter { $0.component == .llm || $0.component == .generator }
      .reduce(0) { $0 + Double($1.elementCount) }
  }

  /// Cases of each kind that a calibration shows.
  static func calibrationLimit(_ model: Model) -> Int {
    let tokens = calibrationProducts / max(1, weightCount(model))
    guard tokens < calibrationTokens else { return .max }
    let perCase = ForcedRun.rowsPerDrawing(model.configuration)
    return max(1, Int(tokens) / max(1, 2 * perCase))
  }

  /// Cases that groups are measured on: of questions, drawings and edits in turn as many as their time allows, but a
  /// question and a drawing at least.
  ///
  /// - Parameter count: cases at most; nil lets the time decide.
  static func prepare(
    _ model: Model, count: Int?, _ options: ForcedRun.Options
  ) throws -> [PreparedCase] {
    let all = SceneCases.cases(.recipeSearch, for: model, limit: .max)
    let drawn = model.canDraw ? all.filter { $0.picture != nil } : []
    let questions = all.filter { $0.picture == nil }
    var order: [ForcedCase] = []
    for index in 0..<max(questions.count, drawn.count) {
      if index < questions.count { order.append(questions[index]) }
      if index < drawn.count {
        // Drawings come first in their list, edits last: one in turn.
        let place = index / 2
        order.append(index % 2 == 0 ? drawn[place] : drawn[drawn.count - 1 - place])
      }
    }
    let least = drawn.isEmpty ? 1 : 2
    let products = runProducts
    let perToken = weightCount(model)
    var prepared: [PreparedCase] = []
    for item in order.prefix(max(least, count ?? .max)) {
      prepared += try PreparedCase.prepare([item], model, options)
      let tokens = ForcedRun.tokenCounts(prepared, model.configuration).language
      if count == nil, prepared.count >= least, Double(tokens) * perToken >= products { break }
    }
    return prepared
  }

  /// What a run takes, and what the program has.
  static func neededByteCount(_ runByteCount: Int) -> Int {
    runByteCount + (ProcessMemory.current()?.anonymousByteCount ?? 0)
  }

  /// Throws where a run takes more than is granted.
  static func requireMemory(_ runByteCount: Int, _ granted: Int, _ purpose: String) throws {
    let needed = neededByteCount(runByteCount)
    guard needed > granted else { return }
    throw VARLiteError(
      .memory,
      "\(purpose) takes \(needed) bytes of memory, \(granted) are granted; grant it "
        + "\(Remedy.budget(for: needed) >> 20)M")
  }
}
