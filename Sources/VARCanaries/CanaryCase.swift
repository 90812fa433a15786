import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARVision

/// The small case of canaries: some words, four patches of a picture that is looked at, and the first two scales of a
/// picture that is drawn.
struct CanaryCase {
  let ids: [Int32]
  let patches: StoredRows
  /// Of the picture that is drawn, values within -1...1.
  let pixels: StoredRows

  /// Scales that are drawn.
  private static let scaleCount = 2
  private static let words = "Draw a red circle."
  private static let wordCount = 3

  /// The case for a model; the same for all models of one tokenizer and one pre-processing.
  init(_ model: Model) throws {
    let tokens = model.configuration.specialTokens
    let words = model.tokenizer.encode(Self.words).prefix(Self.wordCount)
    ids =
      [tokens.visionStart, tokens.imagePad, tokens.visionEnd].map { Int32($0) } + words
      + [Int32(tokens.imageGenStart)]
    let configuration = Self.configuration(model)
    let stride = configuration.vae.stride
    let grid = configuration.schedule.finalGrid
    let drawn = Self.picture(width: grid.width * stride, height: grid.height * stride)
    pixels = StoredRows(
      drawn.pixels.map { Float($0) / 127.5 - 1 }, columns: drawn.width * 3)
    let factor = model.imagePreprocessing.factor
    let seen = try model.imagePreprocessing.patches(
      of: Self.picture(width: 4 * factor, height: 4 * factor)
    ).firstTokenValues
    patches = StoredRows(seen, columns: configuration.vision.patchValues)
  }

  /// What canaries have kept, where it fits the model.
  init(_ canaries: Canaries, _ model: Model) throws(VARLiteError) {
    (ids, patches, pixels) = (canaries.ids, canaries.patches, canaries.pixels)
    let configuration = Self.configuration(model)
    let (vision, grid) = (configuration.vision, configuration.schedule.finalGrid)
    let merged = vision.spatialMergeSize * vision.spatialMergeSize
    let stride = configuration.vae.stride
    let pad = Int32(configuration.specialTokens.imagePad)
    let vocabulary = Int32(configuration.languageModel.vocabSize)
    let bitCounts = configuration.schedule.scales.map {
      $0.tokenCount * configuration.generator.codebookDim
    }
    guard ids.count >= 2, ids.allSatisfy({ (0..<vocabulary).contains($0) }),
      ids.count(where: { $0 == pad }) == 1, ids.last != pad, patches.count == merged,
      patches.columns == vision.patchValues, pixels.count == grid.height * stride,
      pixels.columns == grid.width * stride * 3, canaries.bits.map(\.count) == bitCounts
    else {
      throw VARLiteError(
        .model,
        "\(model.path): its canaries were taken from a model of another shape; convert it again")
    }
  }

  /// The model's configuration with the first scales alone.
  static func configuration(_ model: Model) -> VARGPTConfiguration {
    var configuration = model.configuration
    configuration.schedule.scales = Array(configuration.schedule.scales.prefix(scaleCount))
    return configuration
  }

  /// The case as the networks take it.
  func prepared(_ model: Model, bits: [[UInt8]]) -> PreparedCase {
    let preprocessing = model.imagePreprocessing
    return PreparedCase(
      ids: ids, answerStart: ids.count - 1,
      pictures: [ImagePatches(firstToken: patches.values, of: preprocessing)], bits: bits)
  }

  /// A disc on a background that fades, by integers alone.
  private static func picture(width: Int, height: Int) -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let (dx, dy) = (2 * x + 1 - width, 2 * y + 1 - height)
        let isInside = 4 * (dx * dx + dy * dy) < min(width * width, height * height)
        let shade = 120 + 100 * y / height
        let blue = UInt8(40 + 60 * x / width)
        pixels += isInside ? [220, 40, blue] : [UInt8(shade), UInt8(shade), 200]
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
