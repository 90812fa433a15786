import VARJSON
import VARVision

/// What models are held against: all that a reference said of the cases. It serves any number of models.
package struct ReferenceOutputs {
  /// Bits of each scale of each case's picture, by the reference's picture tokenizer.
  let bits: [[[UInt8]]?]
  /// Embeddings of pictures, logits of words and of bits, in the order in which a run gives them.
  package let said: OutputSpool
  package let layers: LayerRecord
  /// Tokens of the vocabulary whose logits are kept of each word of an answer, the most probable ones.
  let keptTokenCount: Int
  /// What the reference made of the cases by itself; nil where it was not asked.
  package var outcomes: Outcomes?
  /// Pictures that it drew by itself.
  package var pictures: [RGBImage] = []

  package struct Outcomes {
    /// Whether pictures were drawn and judged too.
    let hasDrawings: Bool
    /// In the form of `EvaluationReport.json`.
    let report: JSONValue

    package init(hasDrawings: Bool, report: JSONValue) {
      self.hasDrawings = hasDrawings
      self.report = report
    }
  }

  package init(
    bits: [[[UInt8]]?], said: OutputSpool, layers: LayerRecord, keptTokenCount: Int
  ) {
    self.bits = bits
    self.said = said
    self.layers = layers
    self.keptTokenCount = keptTokenCount
  }

  func hasOutcomes(withDrawings: Bool) -> Bool {
    outcomes.map { $0.hasDrawings || !withDrawings } ?? false
  }

  /// What the words of all answers may take.
  private static let wordBytes = 64 << 20
  private static let leastKeptTokens = 256

  /// Tokens that are kept of each of many words: all of a small vocabulary.
  static func keptTokenCount(words: Int, vocabSize: Int) -> Int {
    let fitting = wordBytes / (TopLogits.byteCountPerToken * max(1, words))
    return min(vocabSize, max(fitting, leastKeptTokens))
  }
}
