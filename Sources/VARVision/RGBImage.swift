/// Where a decoded picture comes from.
public struct ImageSource: Sendable, Equatable {
  /// The file's path, or what else errors call it; nil where that is not known.
  public var name: String?
  /// Extents of the upright picture before a reduction, in pixels.
  public let width, height: Int

  public init(name: String? = nil, width: Int, height: Int) {
    self.name = name
    self.width = width
    self.height = height
  }
}

/// A picture in memory: 8 bits a channel, in the order red, green, blue, without gaps.
public struct RGBImage: Sendable, Equatable {
  /// In pixels, at least 1.
  public let width: Int
  /// In pixels, at least 1.
  public let height: Int
  /// `[height, width, 3]`; the count never changes.
  public var pixels: [UInt8] {
    didSet { precondition(pixels.count == oldValue.count, "a picture keeps its extents") }
  }
  /// Where the picture was decoded from; nil for others. Pictures of equal pixels are equal wherever they come from.
  public var source: ImageSource?

  /// Takes `pixels` `[height, width, 3]`; the count must fit.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "a picture has at least one pixel")
    precondition(pixels.count == width * height * 3, "three bytes for each pixel")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  public static func == (left: RGBImage, right: RGBImage) -> Bool {
    left.width == right.width && left.height == right.height && left.pixels == right.pixels
  }

  /// The largest centred part with the aspect `aspectWidth : aspectHeight`, both positive.
  ///
  /// Where the cut is odd, the extra row or column goes at the bottom or right.
  package func centreCropped(aspectWidth: Int, aspectHeight: Int) -> RGBImage {
    precondition(aspectWidth > 0 && aspectHeight > 0, "an aspect is positive")
    let wanted = Double(aspectWidth) / Double(aspectHeight)
    let cropWidth = min(width, max(1, Int((Double(height) * wanted).rounded())))
    let cropHeight = min(height, max(1, Int((Double(width) / wanted).rounded())))
    if cropWidth == width && cropHeight == height { return self }
    let left = (width - cropWidth) / 2
    let top = (height - cropHeight) / 2
    var result: [UInt8] = []
    result.reserveCapacity(cropWidth * cropHeight * 3)
    for y in top..<top + cropHeight {
      let start = (y * width + left) * 3
      result.append(contentsOf: pixels[start..<start + cropWidth * 3])
    }
    return RGBImage(width: cropWidth, height: cropHeight, pixels: result)
  }

  /// The picture as the image tokenizer takes it: `[height, width, 3]` in [-1, 1], `u8 / 127.5 - 1`.
  package func signedFloats() -> [Float] { pixels.map { Float($0) / 127.5 - 1 } }

  /// A picture of exactly `width` x `height`: centre crop to that aspect, then bicubic resize.
  package func fitted(width: Int, height: Int) -> RGBImage {
    centreCropped(aspectWidth: width, aspectHeight: height).resized(width: width, height: height)
  }
}
