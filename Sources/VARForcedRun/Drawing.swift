/// A drawing on its way through the generator.
struct Drawing {
  /// Which case it is of.
  let caseIndex: Int
  let layout: CaseLayout
  /// Text features of the conditional branch, `[textCount - 1, embedDim]`.
  var context: [Float]
  /// Tokens of each scale, both branches, `[rowCount, embedDim]`.
  var tokens: [[Float]]
  /// The same on the path through what is rounded; empty where there is none.
  var roundedTokens: [[Float]] = []
  /// Keys and values of the text features in the block at work, by the original weights and by the rounded ones.
  var textKeysAndValues: [Float] = []
  var roundedTextKeysAndValues: [Float] = []

  /// What a run that goes on takes.
  var values: [[Float]] { [context] + tokens + roundedTokens }

  /// The drawing on the path through what is rounded.
  var rounded: Drawing {
    var drawing = self
    (drawing.tokens, drawing.textKeysAndValues) = (roundedTokens, roundedTextKeysAndValues)
    return drawing
  }

  /// The block at work is done.
  mutating func forgetText() { (textKeysAndValues, roundedTextKeysAndValues) = ([], []) }
}
