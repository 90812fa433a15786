import VAREvaluation
import VARLite
import VARModels

/// How closely a model follows its reference.
package struct ModelAccuracy {
  package let path: String
  package let contentHash: String
  package let fileByteCount: Int
  /// Bits of a weight of the linear layers that are quantized, scales included; nil where none is.
  package let bitsPerWeight: Double?
  /// Relative error of each layer's outputs for the reference's inputs, by the name of its weight (`LayerOutputs`).
  package let outputErrors: [String: Double]
  /// Of each scale, the history being the same.
  package let bitsPerScale: [BitDivergence]
  /// Of the tokens of answers, those before them being the same.
  package let words: WordDivergence
  /// What both made of the cases by themselves.
  package let outcomes: EvaluationComparison

  init(
    _ model: Model, outputErrors: [String: Double], bits: [BitDivergence], words: WordDivergence,
    outcomes: EvaluationComparison
  ) {
    path = model.path
    contentHash = model.contentHash
    fileByteCount = model.fileByteCount
    bitsPerWeight = Self.bitsPerWeight(model)
    self.outputErrors = outputErrors
    bitsPerScale = bits
    self.words = words
    self.outcomes = outcomes
  }

  /// Of all scales together.
  package var bits: BitDivergence { bitsPerScale.reduce(BitDivergence(), +) }

  /// Root of the mean square over all layers.
  package var outputError: Double {
    let squares = outputErrors.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value * $1.value }
    return outputErrors.isEmpty ? 0 : (squares / Double(outputErrors.count)).squareRoot()
  }

  /// The layers whose outputs are furthest off, the worst first.
  package func worstLayers(_ count: Int) -> [(name: String, error: Double)] {
    outputErrors.map { (name: $0.key, error: $0.value) }
      .sorted { $0.error == $1.error ? $0.name < $1.name : $0.error > $1.error }
      .prefix(count).map { $0 }
  }

  private static func bitsPerWeight(_ model: Model) -> Double? {
    var (byteCount, weightCount) = (0, 0)
    for tensor in model.tensors where tensor.kind == .matrix {
      guard let index = model.file.tensorIndex(named: tensor.name) else { continue }
      let description = model.file.tensors[index].description
      guard description.elementType.isQuantized else { continue }
      byteCount += description.byteCount
      weightCount += description.rows * description.cols
    }
    return weightCount == 0 ? nil : Double(byteCount) * 8 / Double(weightCount)
  }
}
