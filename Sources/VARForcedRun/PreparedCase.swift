import VARKernels
import VARLite
import VARModels
import VARVision

/// A case as the networks take it: token ids, patches and bits.
package struct PreparedCase {
  /// Prompt, pictures expanded, and answer; a drawing's ends with the token that starts the picture.
  package let ids: [Int32]
  /// Where the answer begins.
  package let answerStart: Int
  let pictures: [ImagePatches]
  package var looksAtPictures: Bool { !pictures.isEmpty }
  /// Bits of each scale of the picture of the answer; nil where there is none.
  package let bits: [[UInt8]]?

  /// A case that is made already.
  package init(ids: [Int32], answerStart: Int, pictures: [ImagePatches], bits: [[UInt8]]?) {
    self.ids = ids
    self.answerStart = answerStart
    self.pictures = pictures
    self.bits = bits
  }

  /// - Parameters:
  ///   - model: its tokenizer, preprocessing and picture tokenizer make the case; other models of the same weights can
  ///     take it too.
  ///   - bits: what the picture tokenizer made of the picture of the answer, where that is known.
  package init(_ item: ForcedCase, _ model: Model, bits: [[UInt8]]? = nil) throws {
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
    self.bits = try item.picture.map { try bits ?? Self.bits($0, model) }
  }

  /// The bits that the picture tokenizer makes of a picture.
  private static func bits(
    _ picture: Picture, _ model: Model
  ) throws(VARLiteError) -> [[UInt8]] {
    let schedule = ForcedSchedule(model.configuration)
    let (width, height) = schedule.extents
    let target = ImageTarget.sides(max(width, height))
    let outline = try picture.outline(target: target, limits: model.runtime.imageLimits)
    let decoded = try picture.decoded(target: target, byteCount: outline.decodingByteCount)
    return try model.reconstruct(
      Picture(decoded.fitted(width: width, height: height)), size: schedule.size
    ).bits
  }

  /// Prepares cases one by one, until the options say that the run is cancelled.
  ///
  /// - Parameter bits: of the pictures of all cases, where they are known.
  package static func prepare(
    _ cases: [ForcedCase], _ model: Model, _ options: ForcedRun.Options,
    bits: [[[UInt8]]?]? = nil
  ) throws -> [PreparedCase] {
    try ForcedRun.require(model, for: cases)
    return try cases.enumerated().map { index, item in
      if options.isCancelled() { throw ModelError.cancelled }
      options.progress("case \(index + 1) of \(cases.count)", 0, 1)
      return try PreparedCase(item, model, bits: bits?[index])
    }
  }

  /// Hands out the bytes that the case consists of, where another case has others.
  package func addIdentity(to hash: ([UInt8]) -> Void) {
    hash(Array("\(answerStart) \(ids.count) \(pictures.count) \(bits?.count ?? 0)".utf8))
    hash(ids.withUnsafeBytes { Array($0) })
    for picture in pictures {
      hash(Array("\(picture.gridHeight) \(picture.gridWidth)".utf8))
      hash(picture.values.withUnsafeBytes { Array($0) })
    }
    for scale in bits ?? [] { hash(scale) }
  }
}
