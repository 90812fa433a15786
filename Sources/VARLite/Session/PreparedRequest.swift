import VARModels
import VARVision

/// A request whose words are token ids and whose pictures' extents are known. No picture is decoded yet: it is what a
/// request holds while it waits for memory.
package struct PreparedRequest {
  package private(set) var request: Request
  /// The prompt, with one placeholder per picture.
  package let ids: [Int32]
  /// Tokens behind the prompt that the answer begins with, from a saved drawing or the start of a picture.
  let answer: [Int32]
  /// What the headers of the pictures tell.
  private let outlines: [ImageDecoder.Outline]
  /// How the pictures are resized and cut.
  package private(set) var preprocessing: ImagePreprocessing
  /// Patches along each side of the pictures.
  package private(set) var grids: [GridSize]
  /// The system message that the prompt begins with, up to the next message; nil where there is none that is kept.
  fileprivate(set) var systemTurn: PromptTokens?
  private var countedTextTokens: Int?

  init(
    _ request: Request, ids: [Int32], answer: [Int32], outlines: [ImageDecoder.Outline],
    _ model: Model
  ) throws(VARLiteError) {
    self.request = request
    self.ids = ids
    self.answer = answer
    self.outlines = outlines
    preprocessing = try model.preprocessing(request)
    grids = try preprocessing.grids(outlines, of: request.pictures)
  }

  /// The same words and pictures with other settings.
  func changed(to request: Request, _ model: Model) throws(VARLiteError) -> PreparedRequest {
    var changed = self
    changed.request = request
    changed.preprocessing = try model.preprocessing(request)
    changed.grids = try changed.preprocessing.grids(outlines, of: request.pictures)
    return changed
  }

  /// The same request where its words are not known, but how many tokens they are.
  func counting(textTokens: Int) -> PreparedRequest {
    var counted = self
    counted.countedTextTokens = textTokens
    return counted
  }

  /// Bytes of memory that one picture after another takes at most while it is decoded and shrunk.
  package var pictureByteCount: Int {
    zip(outlines, grids).reduce(0) { largest, picture in
      let (outline, grid) = picture
      let size = ImageDecoder.Extents(
        width: grid.width * preprocessing.patchSize, height: grid.height * preprocessing.patchSize)
      return max(largest, outline.byteCount(resizedTo: size))
    }
  }

  /// The pictures as the vision tower takes them, one decoded after the other: of each only what the network sees is
  /// left when the next one is read.
  func patches() throws -> [ImagePatches] {
    let target = ImageTarget.area(preprocessing.maxPixels)
    return try zip(request.pictures, grids).map { picture, grid in
      let patches = try preprocessing.patches(
        of: picture.decoded(target: target, byteCount: pictureByteCount))
      guard patches.gridWidth == grid.width, patches.gridHeight == grid.height else {
        throw VARLiteError(
          .picture, "\(picture.name ?? "a picture"): has other extents than before; try again")
      }
      return patches
    }
  }

  /// Tokens of each picture.
  package var pictureTokens: [Int] { grids.map { $0.tokenCount / 4 } }

  /// Tokens that are read before the model writes or draws.
  var promptTokens: Int {
    let words = countedTextTokens ?? ids.count - outlines.count + answer.count
    return words + pictureTokens.reduce(0, +)
  }

  /// Whether the model writes nothing before it draws.
  var drawsAtOnce: Bool { request.drawsAtOnce || request.drawing?.history != nil }

  /// Tokens of text to write at most.
  var maximumTextTokens: Int { drawsAtOnce ? 1 : request.maximumTextTokens }
}

extension ImageDecoder.Outline {
  /// What decoding and then resizing take: the decoder's memory is given back in between.
  fileprivate func byteCount(resizedTo size: ImageDecoder.Extents) -> Int {
    let pixelCount = extents.width * extents.height
    // Of extents alone a file of any kind is assumed that is not too large to be read.
    guard pixelCount <= ImageLimits().maximumPixels else { return decodingByteCount }
    // Pixels that the caller holds are not taken anew.
    let pixels = min(pixelCount * 3, decodingByteCount)
    return max(decodingByteCount, pixels + RGBImage.resizeByteCount(from: extents, to: size))
  }
}

extension ImagePreprocessing {
  /// - Parameter pictures: those that have the extents; errors name them.
  fileprivate func grids(
    _ outlines: [ImageDecoder.Outline], of pictures: [Picture]
  ) throws(VARLiteError) -> [GridSize] {
    var grids: [GridSize] = []
    for (picture, outline) in zip(pictures, outlines) {
      let extent = outline.extents
      do throws(ImageError) {
        let size = try smartResize(height: extent.height, width: extent.width)
        grids.append(
          GridSize(height: size.height / patchSize, width: size.width / patchSize))
      } catch { throw VARLiteError(error.at(picture.name)) }
    }
    return grids
  }
}

extension Model {
  /// Turns words into ids and reads the headers of pictures.
  ///
  /// - Parameter isFirstTurn: whether the conversation begins with the request.
  package func prepare(
    _ request: Request, isFirstTurn: Bool
  ) throws(VARLiteError) -> PreparedRequest {
    try request.text.check()
    let preprocessing = try preprocessing(request)
    let builder = PromptBuilder(model: self)
    let ids = try builder.ids(request.messages, isFirstTurn: isFirstTurn)
    var answer: [Int32] = []
    if let history = request.drawing?.history {
      answer = history.answerTokens
      try builder.check(answer)
    } else if request.drawsAtOnce {
      answer = [Int32(configuration.specialTokens.imageGenStart)]
    }
    let pictures = request.pictures
    try request.drawing?.history?.requirePictures(count: pictures.count)
    if !pictures.isEmpty { try require(.vision, to: "look at pictures") }
    guard pictures.count <= Request.maximumPictureCount else {
      throw VARLiteError(
        .request,
        "\(pictures.count) pictures; a request has at most \(Request.maximumPictureCount)")
    }
    var outlines: [ImageDecoder.Outline] = []
    for picture in pictures {
      outlines.append(
        try picture.outline(target: .area(preprocessing.maxPixels), limits: runtime.imageLimits))
    }
    var prepared = try PreparedRequest(
      request, ids: ids, answer: answer, outlines: outlines, self)
    if isFirstTurn { prepared.systemTurn = builder.systemTurn(of: ids) }
    return prepared
  }

  /// - Throws: `request` for bounds that no picture can meet.
  func preprocessing(_ request: Request) throws(VARLiteError) -> ImagePreprocessing {
    let (least, largest) = (request.minimumPicturePixels, request.maximumPicturePixels)
    for (name, bound) in [("least", least), ("largest", largest)] {
      guard let bound else { continue }
      try VARLiteError.require(bound, in: 1...1 << 30, "\(name) number of pixels")
    }
    var preprocessing = imagePreprocessing.limited(
      maximumTokens: ImagePreprocessing.defaultMaximumTokens)
    if let largest { preprocessing.maxPixels = largest }
    preprocessing.minPixels = min(least ?? preprocessing.minPixels, preprocessing.maxPixels)
    return preprocessing
  }
}
