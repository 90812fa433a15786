import VARKernels
import VARLite
import VARModels
import VARVision

/// A case as the networks take it: token ids, patches and bits.
struct PreparedCase {
  /// Prompt, pictures expanded, and answer; a drawing's ends with the token that starts the picture.
  let ids: [Int32]
  /// Where the answer begins.
  let answerStart: Int
  let pictures: [ImagePatches]
  /// Bits of each scale of the picture of the answer; nil where there is none.
  let bits: [[UInt8]]?

  init(_ item: CalibrationCase, _ model: Model, schedule: ScaleSchedule) throws {
    let turn = try model.prepare(item.request, isFirstTurn: true)
    let prompt = try PromptBuilder(model: model).expand(turn.ids, pictures: turn.pictureTokens)
    let tokens = model.configuration.specialTokens
    var answer = model.tokenizer.encode(item.answer)
    // The turn's end is the model's own token too.
    answer.append(
      Int32(item.picture == nil ? tokens.endOfSequence : tokens.imageGenStart))
    ids = prompt + answer
    answerStart = prompt.count
    let target = ImageTarget.area(turn.preprocessing.maxPixels)
    pictures = try turn.request.pictures.map {
      try turn.preprocessing.patches(
        of: $0.decoded(target: target, byteCount: turn.pictureByteCount))
    }
    bits = try item.picture.map { try model.reconstruct($0).bits }
    if let bits {
      precondition(
        zip(bits, schedule.scales).allSatisfy { $0.count % $1.tokenCount == 0 },
        "a picture in the model's own scales")
    }
  }
}

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

  init(textCount: Int, scales: [ScaleStep]) {
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

/// How much tokens count: those of one kind together as much as the root of their number, so that the thousands of a
/// drawing do not drown the ten of an answer.
enum TokenWeights {
  /// - Parameter runs: tokens of each kind, one kind after the other.
  static func weights(_ runs: [Int]) -> [Float] {
    runs.flatMap { count in [Float](repeating: weight(of: count), count: count) }
  }

  /// What each of so many tokens of a kind counts.
  static func weight(of count: Int) -> Float { 1 / Float(count).squareRoot() }
}
