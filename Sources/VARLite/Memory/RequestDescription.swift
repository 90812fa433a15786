import VARModels
import VARVision

/// A request that is not made yet, to know what it will take.
public struct RequestDescription: Sendable {
  /// Tokens of text in the prompt, system message included.
  public var promptTokens: Int
  /// Tokens to write at most.
  public var textTokens: Int
  /// Sizes of the pictures that the model looks at, in pixels.
  public var pictures: [(width: Int, height: Int)]
  /// Bounds on the pixels of a picture that is looked at.
  public var pixels: PixelBounds
  /// The picture to draw; nil: none.
  public var drawing: DrawingOptions?
  /// Whether the drawing starts at once.
  public var forcesDrawing: Bool

  public init(
    promptTokens: Int = 40, textTokens: Int = 512, pictures: [(width: Int, height: Int)] = [],
    pixels: PixelBounds = PixelBounds(), drawing: DrawingOptions? = nil,
    forcesDrawing: Bool = false
  ) {
    self.promptTokens = promptTokens
    self.textTokens = textTokens
    self.pictures = pictures
    self.pixels = pixels
    self.drawing = drawing
    self.forcesDrawing = forcesDrawing
  }
}

extension VARGPT {
  /// What a request will take. Reads no weights, allocates next to nothing.
  ///
  /// - Throws: `GenerationError` for a request that the model cannot serve whatever the memory; `ImageError` for a
  ///   picture that is too elongated.
  public func plan(_ request: RequestDescription) throws -> RequestPlan {
    try conversation(for: request).plan(request.turn(self))
  }

  /// Throws `outOfMemory`, with the remedies that would help, unless a request fits.
  public func requireFit(_ request: RequestDescription) throws {
    _ = try conversation(for: request).fittingPlan(request.turn(self))
  }

  private func conversation(for request: RequestDescription) throws -> ConversationPlanner {
    var options = Conversation.Options(
      drawing: request.drawing,
      maximumTextTokens: request.forcesDrawing ? 1 : request.textTokens)
    options.minimumPixels = request.pixels.minimum
    options.maximumPixels = request.pixels.maximum
    return ConversationPlanner(model: self, options: options)
  }
}

extension RequestDescription {
  fileprivate func turn(_ model: VARGPT) throws -> PlannedTurn {
    let preprocessing = try model.preprocessing(
      minimumPixels: pixels.minimum, maximumPixels: pixels.maximum)
    let grids = try pictures.map { picture in
      let size = try preprocessing.smartResize(height: picture.height, width: picture.width)
      return GridSize(
        height: size.height / preprocessing.patchSize, width: size.width / preprocessing.patchSize)
    }
    let tokens = grids.reduce(0) { $0 + $1.tokenCount / 4 }
    return PlannedTurn(
      promptTokens: promptTokens + tokens, pictureGrids: grids, forcesDrawing: forcesDrawing)
  }
}
