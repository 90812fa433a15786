import VARModels

/// What a model is and can do, from its file alone.
public struct ModelDescription: Sendable {
  /// Hash of all weights and metadata; the same for every layout of the same model.
  public let contentHash: String
  /// Size of the file in bytes.
  public let fileByteCount: Int
  /// Tokens that a conversation may have at most.
  public let contextTokens: Int
  /// Whether the model looks at pictures.
  public let canLook: Bool
  /// Whether the model draws.
  public let canDraw: Bool
  /// The size of a picture where none is asked for.
  public let drawingSize: PixelSize
  /// Scales of such a picture.
  public let scaleCount: Int
  /// Sizes of the pictures that the model's training had; empty where its file does not say.
  public let trainedSizes: [PixelSize]
  /// Sizes that can be asked for by ``DrawingSize/pixels(_:)``, as squares.
  public let squareSizesPixels: [Int]
}

extension Model {
  /// What the model is and can do.
  public var description: ModelDescription {
    let grid = configuration.schedule.finalGrid
    let stride = configuration.vae.stride
    let sizes = PixelBudget.allCases
      .filter { $0.scaleCount <= configuration.generator.numLevels }.map(\.squareSizePixels)
    return ModelDescription(
      contentHash: contentHash, fileByteCount: fileByteCount,
      contextTokens: configuration.languageModel.maxPositionEmbeddings,
      canLook: components.contains(.vision), canDraw: canDraw,
      drawingSize: PixelSize(height: grid.height * stride, width: grid.width * stride),
      scaleCount: configuration.schedule.scales.count,
      trainedSizes: configuration.training.sizes, squareSizesPixels: sizes)
  }
}
