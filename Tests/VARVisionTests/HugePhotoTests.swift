import Testing
import VARTestSupport
import VARVision

/// Photographs of more pixels than a small machine has memory for.
@Suite struct HugePhotoTests {
  private static func reduction(_ width: Int, _ height: Int, _ target: ImageTarget) -> Int? {
    target.reduction(width: width, height: height, maximumPixels: ImageLimits().maximumPixels)
  }

  @Test func thePartThatIsDecodedDependsOnTheExtentsAlone() {
    // Sensors of 48, 64, 108, 180 and 200 million pixels.
    #expect(Self.reduction(8000, 6000, .understanding) == 1)
    #expect(Self.reduction(8000, 8000, .understanding) == 1)
    #expect(Self.reduction(9248, 6936, .understanding) == 4)
    #expect(Self.reduction(12000, 9000, .understanding) == 4)
    #expect(Self.reduction(12001, 9640, .understanding) == 8)
    #expect(Self.reduction(13408, 13434, .understanding) == 8)
    #expect(Self.reduction(16320, 12240, .understanding) == 8)
    #expect(Self.reduction(12000, 9000, .area(1 << 20)) == 4)
    // Twice the target's sides is too many pixels: the smallest part that is not, even below the target.
    #expect(Self.reduction(16320, 12240, .area(12_845_056)) == 1)
    #expect(Self.reduction(20000, 15000, .area(40_000_000)) == 2)
    #expect(Self.reduction(20000, 15000, .area(80_000_000)) == 2)
    #expect(Self.reduction(65500, 65500, .understanding) == 8)
    #expect(Self.reduction(12000, 9000, .sides(1024)) == 4)
    #expect(Self.reduction(65500, 2000, .sides(1024)) == 1)
    #expect(Self.reduction(65500, 4000, .sides(1024)) == 2)
    let few = ImageTarget.understanding.reduction(width: 100, height: 100, maximumPixels: 9999)
    #expect(few == nil)
  }

  /// At least twice the target's sides, so that the resize has what it needs.
  @Test func whatIsLeftIsTwiceTheTarget() throws {
    for width in stride(from: 8000, through: 65500, by: 3307) {
      for height in stride(from: 8000, through: 65500, by: 4001) {
        let factor = try #require(Self.reduction(width, height, .understanding))
        let pixels = (width / factor) * (height / factor)
        #expect(factor == 1 || pixels >= 4 * 451_000, "\(width) x \(height): \(factor)")
      }
    }
  }

  @Test(arguments: [false, true]) func photosAreDecodedAtAPart(isProgressive: Bool) throws {
    var photo = FlatJPEG(width: 12001, height: 9003)
    photo.isProgressive = isProgressive
    photo.sampling = 2
    (photo.upper, photo.lower) = ([100, 178, 98], [160, 128, 128])
    let image = try ImageDecoder.decode(photo.bytes, name: "photo.jpg", target: .area(1 << 20))
    #expect(image.width == 3001 && image.height == 2251)
    #expect(image.source == ImageSource(name: "photo.jpg", width: 12001, height: 9003))
    func pixel(_ x: Int, _ y: Int) -> [UInt8] {
      let start = (y * image.width + x) * 3
      return Array(image.pixels[start..<start + 3])
    }
    let border = photo.lowerStart / 4
    for x in [0, 1500, 3000] {
      // Blocks of a file without their details are smoothed over their neighbours.
      #expect(pixel(x, 0) == [58, 104, 189] && pixel(x, border - 16) == [58, 104, 189])
      #expect(pixel(x, border + 16) == [160, 160, 160] && pixel(x, 2250) == [160, 160, 160])
    }
  }

  @Test(arguments: [1, 4]) func greyAndInksAreReducedToo(components: Int) throws {
    var photo = FlatJPEG(width: 16320, height: 12240)
    photo.upper = [60, 200, 90, 220].prefix(components).map { $0 }
    photo.lower = [200, 90, 60, 250].prefix(components).map { $0 }
    let image = try ImageDecoder.decode(photo.bytes)
    try #require(image.width == 2040 && image.height == 1530)
    let last = Array(image.pixels.suffix(3))
    // Inks are stored inverted: 255 is none of it.
    #expect(Array(image.pixels.prefix(3)) == (components == 1 ? [60, 60, 60] : [52, 173, 78]))
    #expect(last == (components == 1 ? [200, 200, 200] : [196, 88, 59]))
  }

  @Test func theModelSeesTheExtentsOfTheFile() throws {
    let preprocessing = try ImagePreprocessing(maxPixels: 576 * 784)
    let image = try ImageDecoder.decode(FlatJPEG(width: 12000, height: 9000).bytes)
    let patches = try preprocessing.patches(of: image)
    #expect(patches.sourceWidth == 12000 && patches.sourceHeight == 9000 && patches.isShrunk)
    #expect(patches.resizedWidth == 756 && patches.resizedHeight == 560)
  }

  /// The photo with an EXIF segment that says it must be turned by 90 degrees.
  private static func turned(_ photo: FlatJPEG) -> [UInt8] {
    let tags: [UInt8] = [
      0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0,
    ]
    let segment = [0xFF, 0xE1, 0, UInt8(8 + tags.count)] + Array("Exif\0\0".utf8) + tags
    let plain = photo.bytes
    return Array(plain[..<2]) + segment + plain[2...]
  }

  @Test func turnedPhotosHaveTheirUprightExtents() throws {
    let image = try ImageDecoder.decode(Self.turned(FlatJPEG(width: 12000, height: 9000)))
    #expect(image.width == 2250 && image.height == 3000)
    #expect(image.source == ImageSource(width: 9000, height: 12000))
    // The upper half stands on the right.
    #expect(Array(image.pixels[..<3]) == [200, 200, 200])
    #expect(Array(image.pixels[(2249 * 3)..<(2250 * 3)]) == [60, 60, 60])
  }

  @Test func coefficientsOfProgressiveFilesCount() throws {
    var photo = FlatJPEG(width: 12000, height: 9000)
    photo.sampling = 2
    (photo.upper, photo.lower) = ([60, 128, 128], [200, 128, 128])
    let limits = ImageLimits(maximumMemoryBytes: 100 << 20)
    #expect(throws: Never.self) { try ImageDecoder.decode(photo.bytes, limits: limits) }
    photo.isProgressive = true
    // 12000 x 9008 luma samples and half as many of both colours, two bytes each.
    let error = #expect(throws: ImageError.self) {
      try ImageDecoder.decode(photo.bytes, name: "photo.jpg", limits: limits)
    }
    #expect(error?.code == .outOfMemory)
    let text = error?.description ?? ""
    #expect(text.hasPrefix("photo.jpg: decoding 12000 x 9000 pixels takes 33"), "\(text)")
    #expect(text.contains("MiB of memory, 100 MiB are there for it; shrink the picture first"))
  }

  /// What is planned is what is allowed: no more, and not less.
  @Test(arguments: [false, true]) func theHeaderTellsWhatDecodingTakes(isProgressive: Bool) throws {
    var photo = FlatJPEG(width: 2000, height: 1500)
    photo.sampling = 2
    (photo.upper, photo.lower) = ([60, 128, 128], [200, 128, 128])
    photo.isProgressive = isProgressive
    for bytes in [photo.bytes, Self.turned(photo)] {
      let outline = try ImageDecoder.outline(bytes)
      var limits = ImageLimits(maximumMemoryBytes: outline.decodingByteCount)
      let image = try ImageDecoder.decode(bytes, limits: limits)
      #expect(image.width == outline.extents.width && image.height == outline.extents.height)
      limits.maximumMemoryBytes -= 1
      #expect { try ImageDecoder.decode(bytes, limits: limits) } throws: {
        ($0 as? ImageError)?.code == .outOfMemory
      }
    }
  }

  /// A file that is larger than the memory is not read.
  @Test func theFileAloneMayBeTooLarge() throws {
    let folder = TemporaryDirectory()
    folder.write("a.jpg", FlatJPEG(width: 3000, height: 3000).bytes)
    let limits = ImageLimits(maximumMemoryBytes: 10_000)
    let error = #expect(throws: ImageError.self) {
      try ImageDecoder.outline(path: folder.file("a.jpg"), limits: limits)
    }
    #expect(error?.code == .outOfMemory)
    #expect(error?.detail.contains("10000 are there for it; shrink the picture first") == true)
  }

  /// The turned copy stands beside the pixels.
  @Test func turningCountsAsWell() throws {
    let photo = FlatJPEG(width: 2000, height: 1500)
    let limits = ImageLimits(maximumMemoryBytes: photo.bytes.count + 2000 * 1500 * 3 * 3 / 2)
    #expect(throws: Never.self) { try ImageDecoder.decode(photo.bytes, limits: limits) }
    #expect {
      try ImageDecoder.decode(Self.turned(photo), limits: limits)
    } throws: { ($0 as? ImageError)?.code == .outOfMemory }
  }

  @Test func otherFormatsAreDecodedWholeOrNotAtAll() throws {
    let limits = ImageLimits(maximumPixels: 37 * 22 - 1)
    for name in ["lossless.webp", "lossy.webp", "baseline444.jpg"] {
      let error = #expect(throws: ImageError.self) {
        try ImageDecoder.decode(path: Fixtures.path("images/\(name)"), limits: limits)
      }
      #expect(error?.code == .tooLarge)
      let end = "\(name): 37 x 22 pixels, more than 813; shrink the picture first"
      #expect(error?.description.hasSuffix(end) == true)
    }
  }
}
