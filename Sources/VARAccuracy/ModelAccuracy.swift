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
  /// Relative error of each layer's outputs for the reference's inputs, by the name of its weight (`LayerOutputs`), in
  /// the order in which tokens pass the layers.
  package let outputErrors: [(name: String, error: Double)]
  /// Of each scale, the history being the same, and of all together.
  package let bitsPerScale: [Divergence]
  package let bits: Divergence
  /// Mean divergence of a bit of each token of each scale.
  package let klPerToken: [[Double]]
  /// Of the tokens of answers, those before them being the same.
  package let words: Divergence
  /// Mean probability of the tokens whose logits the reference did not keep: they count as one in the divergence.
  package let wordsLeftOut: Double
  /// Cosines of the embeddings of pictures with the reference's, token by token.
  package let pictureCosines: Sample
  /// What both made of the cases by themselves.
  package let outcomes: EvaluationComparison
  /// Pictures that both drew of the same seed.
  package let pictures: [PicturePair]

  init(
    _ model: Model, _ errors: [String: Double], _ watcher: DivergenceWatcher,
    _ outcomes: EvaluationComparison, _ pictures: [PicturePair]
  ) {
    path = model.path
    contentHash = model.contentHash
    fileByteCount = model.fileByteCount
    bitsPerWeight = Self.bitsPerWeight(model)
    outputErrors = model.tensors.compactMap { tensor in
      errors[tensor.name].map { (tensor.name, $0) }
    }
    bitsPerScale = watcher.bits
    bits = watcher.bits.reduce(Divergence(), +)
    klPerToken = zip(watcher.bits, watcher.sumsPerToken).map { bits, sums in
      sums.map { $0 * Double(sums.count) / Double(max(bits.count, 1)) }
    }
    words = watcher.words
    wordsLeftOut = watcher.leftOut.mean
    pictureCosines = watcher.cosines
    self.outcomes = outcomes
    self.pictures = pictures
  }

  /// Root of the mean square over all layers.
  package var outputError: Double {
    let squares = outputErrors.reduce(0) { $0 + $1.error * $1.error }
    return outputErrors.isEmpty ? 0 : (squares / Double(outputErrors.count)).squareRoot()
  }

  /// The layers whose outputs are furthest off, the worst first.
  package func worstLayers(_ count: Int) -> [(name: String, error: Double)] {
    outputErrors.sorted { $0.error == $1.error ? $0.name < $1.name : $0.error > $1.error }
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
