import VARKernels
import VARLite
import VARVision

/// The drawing that a new one goes on with, repeats, or varies.
struct EarlierDrawing {
  let file: String
  let state: DrawingState
  /// What a picture's file tells; nil of a saved drawing, which has a hash of its prompt alone.
  let texts: PictureTexts?
  /// Scales of a variation that are the same; nil where all of the drawing is to be.
  let keptScales: Int?

  /// - Returns: nil where none is named.
  static func read(_ options: SavingOptions, ram: ByteCount?) throws -> EarlierDrawing? {
    if let file = options.resumeFrom {
      return EarlierDrawing(
        file: file, state: try SavedDrawing.read(file), texts: nil, keptScales: options.keepScales)
    }
    guard let file = options.like else { return nil }
    let texts = try PictureInput.texts(file, ram: ram)
    return EarlierDrawing(
      file: file, state: texts.state, texts: texts, keptScales: options.keepScales)
  }

  // MARK: The words

  /// The words to draw by: those that the picture's file tells, unless others are missing.
  ///
  /// - Parameter pictureCount: pictures that are given.
  /// - Throws: `request` where what is given is not what the picture was drawn by.
  func text(
    given text: String?, _ input: inout InputOptions, pictureCount: Int
  ) throws -> String? {
    guard let texts else { return text }
    let asked = texts.asked
    if let text, text != asked.prompt { throw refusal("the prompt \"\(asked.prompt)\"") }
    if let system = input.system, system != asked.system {
      throw refusal(asked.system.map { "the system message \"\($0)\"" } ?? "no --system")
    }
    try check("--min-pixels", input.pixels.minPixels, asked.minimumPicturePixels)
    try check("--max-pixels", input.pixels.maxPixels, asked.maximumPicturePixels)
    let count = state.pictureHashes.count
    guard count == pictureCount else {
      let command = count == 0 ? "generate" : "edit with --image for each"
      throw refusal(
        "\(count) \(count == 1 ? "picture" : "pictures") to change, not \(pictureCount): it takes "
          + command)
    }
    input.system = asked.system
    input.pixels.minPixels = asked.minimumPicturePixels
    input.pixels.maxPixels = asked.maximumPicturePixels
    return asked.prompt
  }

  private func check(_ flag: String, _ given: Int?, _ own: Int?) throws(VARLiteError) {
    guard let given, given != own else { return }
    throw refusal(own.map { "\(flag) \($0), not \(given)" } ?? "no \(flag)")
  }

  private func refusal(_ difference: String) -> VARLiteError {
    VARLiteError(.request, "\(file): was drawn with \(difference)")
  }

  /// The seed of a variation; nil where the drawing itself is asked for.
  ///
  /// - Parameter seed: that of the command line.
  func variationSeed(_ seed: UInt64?) -> UInt64? {
    guard let seed, keptScales != nil || texts != nil && seed != state.seed else { return nil }
    return seed
  }

  // MARK: The settings

  /// Makes a request one for this drawing, or for a variation of it.
  ///
  /// - Parameter seed: of a variation; nil for the drawing itself.
  /// - Throws: `request` where a setting is given that is not the drawing's own.
  func apply(
    to request: inout Request, _ image: ImageOptions, seed: UInt64?, _ options: ModelOptions,
    _ model: Model
  ) throws {
    guard state.model == model.contentHash else {
      throw refusal(
        "another model (\(state.model), this one is \(model.contentHash)); name it with --model")
    }
    var asked = DrawingRequest(resuming: state)
    image.apply(to: &asked)
    if seed != nil { asked.seed = state.seed }
    let kvType = options.kv ?? state.kvType
    if let difference = try state.difference(from: asked, kvType: kvType, of: model) {
      throw refusal(difference)
    }
    if image.shape.forceImage, !state.startsAtOnce { throw refusal("words before it") }
    if image.shape.isGiven {
      let shaped = try image.shape.drawing(ofSize: request.pictures.first?.extents())
      if let difference = try state.shapeDifference(from: shaped, of: model) {
        throw refusal(difference)
      }
    }
    request.kvType = state.kvType
    request.drawing =
      seed.map { DrawingRequest(varying: state, keepingScales: keptScales ?? 0, seed: $0) }
      ?? DrawingRequest(resuming: state)
  }
}
