/// What a picture is resized to after it was decoded: how few pixels will do.
///
/// libjpeg decodes a half, a quarter or an eighth of the sides at a fraction of the memory and time. The part depends
/// on the extents of file and target alone, so that a picture's bytes are the same on every machine. Only JPEG files of
/// more than ``ImageLimits/largestWholeJPEG`` pixels are decoded so: all others have the pixels of the reference.
package enum ImageTarget: Sendable, Equatable {
  /// At most this many pixels, with the picture's aspect.
  case area(Int)
  /// Sides of at most this many pixels, after a centre crop that keeps one side whole.
  case sides(Int)

  /// What the model sees unless it is told otherwise: ``ImagePreprocessing/defaultMaximumTokens`` tokens of 28 x 28.
  package static let understanding = area(ImagePreprocessing.defaultMaximumTokens * 28 * 28)

  /// By what the sides of a JPEG file are divided: the largest of 8, 4 and 2 that leaves twice the target's sides;
  /// where that is too many pixels, the smallest that is not. Nil where there is none.
  package func reduction(width: Int, height: Int, maximumPixels: Int) -> Int? {
    func isWithin(_ factor: Int) -> Bool {
      ImageTarget.reduced(width, factor) * ImageTarget.reduced(height, factor) <= maximumPixels
    }
    let isSmall = width * height <= ImageLimits.largestWholeJPEG
    let best =
      isSmall ? 1 : [8, 4, 2].first { isCovered(width, height, by: 2 * $0) } ?? 1
    if isWithin(best) { return best }
    guard !isSmall else { return nil }
    return [2, 4, 8].first { $0 > best && isWithin($0) }
  }

  /// A side after the reduction, in pixels.
  static func reduced(_ side: Int, _ factor: Int) -> Int { (side + factor - 1) / factor }

  /// Whether a picture whose sides are divided by `factor` is as large as the target.
  private func isCovered(_ width: Int, _ height: Int, by factor: Int) -> Bool {
    switch self {
    case .area(let pixels): pixels <= width * height / (factor * factor)
    case .sides(let pixels): pixels <= min(width, height) / factor
    }
  }
}
