/// The extents that a picture is resized to, in pixels, and whether the area limit shrank it.
public struct SmartResize: Sendable, Equatable {
  public let height: Int
  public let width: Int
  /// True where the largest area forced fewer pixels than the picture would have had.
  public let isShrunk: Bool

  package init(height: Int, width: Int, isShrunk: Bool) {
    self.height = height
    self.width = width
    self.isShrunk = isShrunk
  }
}

extension ImagePreprocessing {
  /// Both sides rounded to multiples of ``factor`` (half to even), the area within `minPixels...maxPixels`.
  ///
  /// `smart_resize` of the reference, except where it would round a side of a long strip down to zero: the side stays
  /// at one factor and the other one at what the area then allows.
  /// Throws ``ImageError/Code/tooSmall`` for a side below the factor or an aspect beyond 200.
  public func smartResize(height: Int, width: Int) throws(ImageError) -> SmartResize {
    guard min(height, width) >= factor else {
      throw ImageError(
        .tooSmall,
        "\(width) x \(height) pixels; each side needs at least \(factor), enlarge the picture")
    }
    guard max(height, width) <= 200 * min(height, width) else {
      throw ImageError(
        .tooSmall, "\(width) x \(height) pixels; no side may be over 200 times the other, crop it")
    }
    let unit = Double(factor)
    func rounded(_ side: Int) -> Int {
      Int((Double(side) / unit).rounded(.toNearestOrEven)) * factor
    }
    let area = Double(height) * Double(width)
    let natural = (height: rounded(height), width: rounded(width))
    let naturalArea = natural.height * natural.width
    if naturalArea > maxPixels {
      let reduction = (area / Double(maxPixels)).squareRoot()
      func shrunk(_ side: Int) -> Int {
        Int((Double(side) / reduction / unit).rounded(.down)) * factor
      }
      let (shrunkHeight, shrunkWidth) = (shrunk(height), shrunk(width))
      let longest = max(1, maxPixels / factor / factor) * factor
      if shrunkHeight < factor {
        return SmartResize(height: factor, width: longest, isShrunk: true)
      }
      if shrunkWidth < factor { return SmartResize(height: longest, width: factor, isShrunk: true) }
      return SmartResize(height: shrunkHeight, width: shrunkWidth, isShrunk: true)
    }
    if naturalArea < minPixels {
      let growth = (Double(minPixels) / area).squareRoot()
      func grown(_ side: Int) -> Int { Int((Double(side) * growth / unit).rounded(.up)) * factor }
      return SmartResize(height: grown(height), width: grown(width), isShrunk: false)
    }
    return SmartResize(height: natural.height, width: natural.width, isShrunk: false)
  }
}
