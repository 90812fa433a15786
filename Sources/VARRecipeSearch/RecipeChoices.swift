import VARConversion
import VARJSON
import VARModels
import VARQuantization
import VQ4Format

/// All that a search has measured: gives the recipe for any size.
package struct RecipeChoices {
  /// What weights are rounded by.
  package let calibration: CalibrationFile
  private let frontier: MeasuredFrontier
  private let correction: Correction
  private let size: FileSize
  private let drawing: DrawingMemory?
  private let vectorByteCounts: [String: Int]

  /// What a recipe is to keep within.
  package enum Limit: Sendable, Equatable {
    /// Bytes of the file.
    case fileBytes(Int)
    /// Bytes in memory of a drawing, weights mapped.
    case drawingBytes(Int)
  }

  /// A recipe with what is expected of it.
  package struct Choice: Sendable {
    /// Of each weight, the number of the way that it is stored.
    let numbers: [Int]
    /// Bytes of the file.
    package let fileByteCount: Int
    /// Bytes in memory of a drawing; nil where the model cannot draw.
    package let drawingByteCount: Int?
    /// Bits of the file for each weight.
    package let bitsPerWeight: Double
    package let klPerBit: Double
    package let klPerToken: Double
    /// Divergences in units of those of `int4`, added: 2 for `int4`.
    package let objective: Double
  }

  /// nil where the state lacks something, or the calibration is not there.
  init?(
    _ specifications: [TensorSpecification], _ configuration: VARGPTConfiguration,
    _ state: SearchState, _ calibration: CalibrationFile?
  ) throws {
    let weights = specifications.filter { $0.kind != .vector }
    let groups = ProbeGroup.groups(
      weights, RunPlaces(configuration: configuration, hasPictures: true))
    guard let calibration, state.restByteCount > 0,
      let frontier = try MeasuredFrontier(weights, groups, state)
    else { return nil }
    var checks = [(expected: frontier.int4.expected, found: frontier.int4.found)]
    for share in ProbeRuns.checkedShares {
      guard let found = state.probes[ProbeRuns.key(share)] else { continue }
      checks.append((frontier.errors.expected(frontier.choice(atShare: share)), found))
    }
    // Of a large model no recipe but `int4` is measured as a whole.
    guard checks.count > 1 || SearchScale.isLarge(weights) else { return nil }
    self.calibration = calibration
    self.frontier = frontier
    correction = Correction(checks)
    size = FileSize(
      specifications, frontier.weights, vectors: state.vectorByteCounts,
      restByteCount: state.restByteCount)
    drawing = state.drawing
    vectorByteCounts = Dictionary(
      uniqueKeysWithValues: specifications.filter { $0.kind == .vector }.map {
        ($0.name, $0.elementCount * MemoryLayout<Float>.stride)
      })
  }

  /// Weights that have a choice, or none.
  package var weightCount: Int { frontier.specifications.reduce(0) { $0 + $1.elementCount } }

  /// The smallest recipe and the largest.
  package var smallest: Choice { describe(frontier.recipes.choice(0)) }
  package var largest: Choice { describe(frontier.recipes.choice(frontier.recipes.count - 1)) }

  /// The recipe with the least expected error within a limit; nil where there is none.
  package func best(within limit: Limit) -> Choice? {
    let choice: [Int]?
    switch limit {
    case .fileBytes(let bytes):
      choice = frontier.recipes.best(within: bytes, size: size.byteCount)
    case .drawingBytes(let bytes):
      choice = frontier.recipes.best(within: bytes) { drawingByteCount($0) ?? 0 }
    }
    return choice.map(describe)
  }

  /// Recipes along the way from the smallest to the largest, at sizes that grow by the same factor.
  package func frontier(_ count: Int) -> [Choice] {
    let (least, most) = (smallest.fileByteCount, largest.fileByteCount)
    var choices: [Choice] = []
    for step in 0..<count {
      let share = Double(step) / Double(max(1, count - 1))
      let limit = least + Int((Double(most - least) * share * share).rounded(.up))
      guard let choice = best(within: .fileBytes(limit)),
        choice.fileByteCount > choices.last?.fileByteCount ?? 0
      else { continue }
      choices.append(choice)
    }
    return choices
  }

  private func describe(_ numbers: [Int]) -> Choice {
    let fileByteCount = size.byteCount(numbers)
    let (klPerBit, klPerToken) = correction.corrected(frontier.errors.expected(numbers))
    return Choice(
      numbers: numbers, fileByteCount: fileByteCount, drawingByteCount: drawingByteCount(numbers),
      bitsPerWeight: 8 * Double(fileByteCount) / Double(weightCount), klPerBit: klPerBit,
      klPerToken: klPerToken, objective: frontier.errors.objective(klPerBit, klPerToken))
  }

  private func drawingByteCount(_ numbers: [Int]) -> Int? {
    guard let drawing else { return nil }
    var byteCounts = vectorByteCounts
    for (index, weight) in frontier.weights.enumerated() {
      byteCounts[weight.name] = frontier.specifications[index].byteCount(
        weight.choices[numbers[index]].storage)
    }
    return drawing.byteCount(byteCounts)
  }

  /// The recipe as a document.
  package func document(_ choice: Choice, name: String, description: String) -> String {
    RecipeDocument(
      name: name, description: description,
      weights: zip(zip(frontier.specifications, frontier.weights), choice.numbers).map {
        ($0.0, $0.1, $1)
      }
    ).text
  }

  /// Bytes of weights by how they are stored, those with the most first.
  package func byteCounts(_ choice: Choice) -> [(storage: String, weightCount: Int, byteCount: Int)]
  {
    var totals: [(storage: String, weightCount: Int, byteCount: Int)] = []
    for (index, weight) in frontier.weights.enumerated() {
      let way = weight.choices[choice.numbers[index]]
      let count = frontier.specifications[index].elementCount
      if let place = totals.firstIndex(where: { $0.storage == way.storage.name }) {
        totals[place].weightCount += count
        totals[place].byteCount += way.byteCount
      } else {
        totals.append((way.storage.name, count, way.byteCount))
      }
    }
    return totals.sorted { $0.byteCount > $1.byteCount }
  }
}

/// How large a model is.
enum SearchScale {
  /// Weights of which more are not compensated while groups are measured: it would take hours.
  private static let largeWeightCount = 1_000_000_000

  static func isLarge(_ weights: [TensorSpecification]) -> Bool {
    weights.reduce(0) { $0 + $1.elementCount } > largeWeightCount
  }
}
