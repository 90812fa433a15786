import VARJSON

/// How a picture becomes the vision tower's input; the values of `preprocessor_config.json`.
///
/// The reference is `Qwen2VLImageProcessor` of Hugging Face transformers.
package struct ImagePreprocessing: Sendable, Equatable {
  /// Default cap on the tokens of one picture: 24 x 24 tokens, 672 x 672 pixels at the released sizes.
  ///
  /// The released settings allow 16,384 tokens, minutes of prompt and gigabytes of KV cache on a small board.
  package static let defaultMaximumTokens = 576

  /// Least area after the resize, in pixels.
  package var minPixels: Int
  /// Largest area after the resize, in pixels.
  package var maxPixels: Int
  /// Side of a patch, in pixels.
  package private(set) var patchSize = 14
  /// Patches per side of one token.
  package private(set) var mergeSize = 2
  /// Frames of a patch; a still picture is repeated.
  package private(set) var temporalPatchSize = 2
  /// Per channel, red, green, blue, in units of the full range.
  package private(set) var mean: [Float] = [0.48145466, 0.4578275, 0.40821073]
  /// Per channel, red, green, blue, in units of the full range.
  package private(set) var std: [Float] = [0.26862954, 0.26130258, 0.27577711]

  /// Both sides of a resized picture are multiples of this, in pixels.
  package var factor: Int { patchSize * mergeSize }

  /// The reference's defaults, with other bounds where they are given; throws ``ImageError/Code/invalidSettings``.
  package init(minPixels: Int = 3136, maxPixels: Int = 1_003_520) throws(ImageError) {
    self.minPixels = minPixels
    self.maxPixels = maxPixels
    try check()
  }

  private func check() throws(ImageError) {
    func require(_ isValid: Bool, _ text: String) throws(ImageError) {
      if !isValid { throw ImageError(.invalidSettings, "image pre-processing: \(text)") }
    }
    try require((1...64).contains(patchSize), "patch_size \(patchSize), expected 1...64")
    try require((1...8).contains(mergeSize), "merge_size \(mergeSize), expected 1...8")
    try require(
      (1...8).contains(temporalPatchSize),
      "temporal_patch_size \(temporalPatchSize), expected 1...8")
    try require(minPixels >= 1, "min_pixels \(minPixels), expected at least 1")
    let largest = 1 << 30
    try require(
      maxPixels >= minPixels && maxPixels <= largest,
      "max_pixels \(maxPixels), expected \(minPixels)...\(largest)")
    try require(
      mean.count == 3 && mean.allSatisfy(\.isFinite), "image_mean: three finite numbers expected")
    try require(
      std.count == 3 && std.allSatisfy { $0.isFinite && $0 > 0 },
      "image_std: three positive numbers expected")
  }

  /// Reads the settings of `preprocessor_config.json`; a switched-off step or another filter than bicubic is refused.
  ///
  /// Bounds may stand in `size`, where newer versions of transformers call them edges although they are areas. A
  /// member that is null is absent.
  package init(json: JSONValue) throws(ImageError) {
    func stated(_ value: JSONValue?) -> JSONValue? { value == .null ? nil : value }
    func integer(
      _ key: String, _ fallback: Int, edge: String = ""
    ) throws(ImageError) -> Int {
      let size = json["size"]
      guard let value = stated(json[key]) ?? stated(size?[key]) ?? stated(size?[edge]) else {
        return fallback
      }
      guard let number = value.integerValue else { throw Self.malformed(key, "an integer") }
      return number
    }
    func numbers(_ key: String, _ fallback: [Float]) throws(ImageError) -> [Float] {
      guard let value = stated(json[key]) else { return fallback }
      let numbers = (value.arrayValue ?? []).compactMap(\.doubleValue)
      guard numbers.count == value.arrayValue?.count else {
        throw Self.malformed(key, "an array of numbers")
      }
      return numbers.map { Float($0) }
    }
    guard json.objectValue != nil else {
      throw ImageError(.invalidSettings, "image pre-processing: a JSON object is expected")
    }
    guard stated(json["size"]) == nil || json["size"]?.objectValue != nil else {
      throw Self.malformed("size", "an object")
    }
    for key in ["do_convert_rgb", "do_normalize", "do_rescale", "do_resize"] {
      guard stated(json[key]) ?? .bool(true) == .bool(true) else {
        throw Self.malformed(key, "true")
      }
    }
    guard try integer("resample", 3) == 3 else { throw Self.malformed("resample", "3 (bicubic)") }
    let rescale = stated(json["rescale_factor"]) ?? .number(1.0 / 255)
    guard let rescale = rescale.doubleValue, abs(rescale * 255 - 1) < 1e-6 else {
      throw Self.malformed("rescale_factor", "1/255")
    }
    try self.init()
    minPixels = try integer("min_pixels", minPixels, edge: "shortest_edge")
    maxPixels = try integer("max_pixels", maxPixels, edge: "longest_edge")
    patchSize = try integer("patch_size", patchSize)
    mergeSize = try integer("merge_size", mergeSize)
    temporalPatchSize = try integer("temporal_patch_size", temporalPatchSize)
    mean = try numbers("image_mean", mean)
    std = try numbers("image_std", std)
    try check()
  }

  /// The same settings with at most `maximumTokens` (at least 1) tokens a picture.
  package func limited(maximumTokens: Int) -> ImagePreprocessing {
    precondition(maximumTokens >= 1, "a picture has at least one token")
    let (pixels, overflow) = maximumTokens.multipliedReportingOverflow(by: factor * factor)
    var result = self
    if !overflow && pixels < maxPixels { result.maxPixels = pixels }
    result.minPixels = min(result.minPixels, result.maxPixels)
    return result
  }

  private static func malformed(_ key: String, _ expected: String) -> ImageError {
    ImageError(.invalidSettings, "image pre-processing: \(key): \(expected) is expected")
  }
}
