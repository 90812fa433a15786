/// The extents that a picture is resized to, in pixels, and whether the area limit shrank it.
package struct SmartResize: Sendable, Equatable {
  package let height: Int
  package let width: Int
  /// True where the largest area forced fewer pixels than the picture would have had.
  package let isShrunk: Bool

  package init(height: Int, width: Int, isShrunk: Bool) {
    self.height = height
    self.width = width
    self.isShrunk = isShrunk
  }
}

extension ImagePreprocessing {
  /// Both sides rounded to multiples of ``factor`` (half to even), the area within `minPixels...maxPixels`.
  ///
  /// `smart_resize` of transformers 5, which enlarges sides below the factor (older releases refuse them), except that
  /// ``maxPixels`` holds for long strips too: a side that would round down to zero stays at one factor, and the other
  /// one at what the area then allows.
  /// Throws ``ImageError/Code/tooSmall`` for an aspect beyond 200.
  package func smartResize(height: Int, width: Int) throws(ImageError) -> SmartResize {
    precondition(height > 0 && width > 0, "a picture has at least one pixel")
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
    let longest = max(1, maxPixels / factor / factor) * factor
    if naturalArea > maxPixels {
      let reduction = (area / Double(maxPixels)).squareRoot()
      func shrunk(_ side: Int) -> Int {
        Int((Double(side) / reduction / unit).rounded(.down)) * factor
      }
      let (shrunkHeight, shrunkWidth) = (shrunk(height), shrunk(width))
      if shrunkHeight < factor {
        return SmartResize(height: factor, width: longest, isShrunk: true)
      }
      if shrunkWidth < factor { return SmartResize(height: longest, width: factor, isShrunk: true) }
      return SmartResize(height: shrunkHeight, width: shrunkWidth, isShrunk: true)
    }
    if naturalArea < minPixels {
      let growth = (Double(minPixels) / area).squareRoot()
      func grown(_ side: Int) -> Int { Int((Double(side) * growth / unit).rounded(.up)) * factor }
      let (grownHeight, grownWidth) = (grown(height), grown(width))
      // Where the short side of a strip grows to one factor, the area can pass the largest one.
      guard min(grownHeight, grownWidth) == factor, grownHeight * grownWidth > maxPixels else {
        return SmartResize(height: grownHeight, width: grownWidth, isShrunk: false)
      }
      return SmartResize(
        height: min(grownHeight, longest), width: min(grownWidth, longest), isShrunk: true)
    }
    return SmartResize(height: natural.height, width: natural.width, isShrunk: false)
  }
}
