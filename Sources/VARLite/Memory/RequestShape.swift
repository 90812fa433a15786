import VARModels

/// What of a request decides how much memory it takes: sizes, no contents.
struct RequestShape {
  /// What the language model's state holds; nil where the request has no text.
  var capacity: LanguageSession.Capacity?
  /// Tokens of the prompt, those of pictures included.
  var promptTokens = 0
  /// Tokens to write at most that are read again.
  var textTokens = 0
  /// Patches along each side of the pictures that the model looks at.
  var pictureGrids: [GridSize] = []
  /// What one of them takes at most while it is decoded and shrunk, before it goes through the network.
  var pictureByteCount = 0
  /// The picture to draw; nil: none.
  var drawing: ImageDrawing?
  /// What pictures between the scales are made by; nil where there are none.
  var previews: DrawingRequest.PreviewQuality?
  /// Text features that the drawing sees.
  var contextTokens = 0
  /// Final grid of codes that become pixels without being drawn; nil: none.
  var decodedGrid: GridSize?
  /// Whether those codes come of a picture's pixels.
  var encodes = false
  /// Whether a conversation goes on after the picture, so that its state stays in memory.
  var keepsSession = false
  /// What the model is to keep of the prompt for later requests.
  var newPrefixes = NewPrefixes()
  /// Tokens that the conversation has already.
  var earlierTokens = 0
}
