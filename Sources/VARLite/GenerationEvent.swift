import VARModels

/// What happens while a request runs.
public enum GenerationEvent: Sendable {
  /// What the request will take, before anything of it runs; a turn that draws may get a second plan for the drawing.
  case planned(RequestPlan)
  /// A picture was made smaller to fit the number of tokens that a picture may have.
  case shrunk(
    picture: Int, from: (width: Int, height: Int), to: (width: Int, height: Int), tokenCount: Int)
  /// A picture with a side below that of a token was made larger.
  case enlarged(
    picture: Int, from: (width: Int, height: Int), to: (width: Int, height: Int), tokenCount: Int)
  /// A picture that the model looks at has a size that its training did not have, by what the model's file says.
  case unknownPictureSize(picture: Int, size: PixelSize, known: [PixelSize])
  /// The picture to draw has a size that the model's training did not have, by what its file says.
  case unknownDrawingSize(PixelSize, known: [PixelSize])
  /// Weights are read from the file before they are used.
  case loading(doneBytes: Int, totalBytes: Int)
  /// The vision tower has finished a block.
  case encoding(picture: Int, block: Int, blockCount: Int)
  /// The model's context has no place for as long a text as was asked for.
  case textLimited(tokenCount: Int)
  /// The language model reads the prompt.
  case reading(tokenCount: Int)
  /// The prompt is read; the language model writes.
  case writing
  /// More of the answer, in whole characters.
  case text(String)
  /// A scale of the picture starts, or all are done (`scale == scaleCount`); `drawnTokens` of the picture's
  /// `tokenCount` tokens are drawn.
  case drawing(scale: Int, scaleCount: Int, drawnTokens: Int, tokenCount: Int)
  /// The decoder has finished a level.
  case decoding(level: Int, levelCount: Int)
}

extension GenerationError {
  static func noMemory(_ byteCount: Int) -> GenerationError {
    GenerationError(.outOfMemory, "the system gave no \(byteCount) bytes")
  }
}
