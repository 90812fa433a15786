import Testing
import VARTestSupport
import VARVision

@Suite struct ImageDecoderTests {
  static let expected = try! SafetensorsFile(fixture: "images/expected.safetensors")
  static let files = expected.names.filter { name in
    [".png", ".jpg", ".webp"].contains { name.hasSuffix($0) }
  }

  @Test(arguments: files) func decodesEveryKindLikeTheReference(name: String) throws {
    let image = try ImageDecoder.decode(path: Fixtures.path("images/\(name)"), alpha: .dropped)
    #expect([image.height, image.width, 3] == (try Self.expected.shape(name)))
    let wanted = try Self.expected.integers(name).map { UInt8($0) }
    let wrong = zip(image.pixels, wanted).enumerated().first { $1.0 != $1.1 }
    #expect(wrong == nil, "\(name): \(String(describing: wrong))")
  }

  @Test func everyKindIsCovered() {
    #expect(Self.files.count == 92)
    #expect(Self.files.filter { $0.hasPrefix("turned_") }.count == 23)
  }

  @Test func animationsAreRefusedByName() {
    let path = Fixtures.path("images/animated.webp")
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(path: path) }
    #expect(error?.code == .unsupported)
    let text = "this kind of WebP is not handled (an animation, not one picture)"
    #expect(error?.description == "\(path): \(text); convert it to RGB PNG")
  }

  @Test(arguments: [
    "images/rgb8.png", "images/progressive.jpg", "images/baseline420.jpg",
    "images/lossy_alpha.webp", "images/lossless.webp", "images/turned_exif.webp",
  ])
  func everyPrefixIsRefused(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in 0..<bytes.count {
      let error = #expect(throws: ImageError.self) {
        try ImageDecoder.decode(Array(bytes[..<count]))
      }
      let code = error?.code
      let isNamed = code == .truncated || code == .unknownFormat && count < 12
      #expect(isNamed, "\(count) of \(bytes.count) bytes: \(String(describing: error))")
    }
  }

  @Test(arguments: [
    ("GIF89a..", "is a GIF picture", "convert it to PNG or JPEG"),
    ("BM......", "is a BMP picture", "convert it to PNG or JPEG"),
    ("II*\0....", "is a TIFF picture", "convert it to PNG or JPEG"),
    ("MM\0*....", "is a TIFF picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{18}ftypheic", "is a HEIC picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{18}ftypheix", "is a HEIC picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{18}ftyphevc", "is a HEIC picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{18}ftypmif1", "is a HEIF picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{1C}ftypavif", "is an AVIF picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{18}ftypisom", "is a video", "save one frame of it as PNG or JPEG"),
    ("\0\0\0\u{C}JXL \r\n", "is a JPEG XL picture", "convert it to PNG or JPEG"),
    ("\0\0\0\u{C}jP  \r\n", "is a JPEG 2000 picture", "convert it to PNG or JPEG"),
    ("%PDF-1.7", "is a PDF document", "save a page of it as PNG or JPEG"),
    ("<?xml version='1.0'?>\n<svg>", "is an SVG drawing", "render it as PNG"),
    ("\u{FEFF} <svg>", "is an SVG drawing", "render it as PNG"),
    ("<html>", "is an HTML or XML document", "download the picture itself"),
    ("PK\u{3}\u{4}....", "is a ZIP archive", "unpack it"),
    ("RIFF....WAVE", "", "convert it to PNG or JPEG"),
    ("hello", "", "convert it to PNG or JPEG"),
  ])
  func otherContentIsNamed(content: String, name: String, advice: String) {
    let bytes = Array(content.utf8)
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(bytes) }
    #expect(error?.code == .unknownFormat)
    let start = bytes.prefix(8).map {
      ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true)
    }.joined(separator: " ")
    let what = name.isEmpty ? "starts with \(start)" : "\(name) (starts with \(start))"
    #expect(
      error?.description == "the file \(what), none of PNG, JPEG and WebP; \(advice)")
  }

  /// What a download leaves is named as everywhere else.
  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer, not the file itself"),
    ("Entry not found", "holds the answer \"Entry not found\""),
  ])
  func failedDownloadsAreNamed(content: String, what: String) {
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(Array(content.utf8)) }
    #expect(error?.code == .unknownFormat)
    #expect(error?.description.hasPrefix("the file \(what)") == true)
  }

  @Test func bareJPEGXLIsNamed() {
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode([0xFF, 0x0A, 0, 0]) }
    #expect(error?.description.contains("is a JPEG XL picture") == true)
  }

  @Test func limitsHoldBeforeMemoryIsTaken() throws {
    // A header alone claims 4 gigapixels: the limit must answer, not the missing rest.
    var png = try Fixtures.bytes("images/rgb8.png")
    let huge = Self.withExtents(&png, width: 65535, height: 65535)
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(huge) }
    #expect(error?.code == .tooLarge)
    #expect(error?.description.contains("65535 x 65535 pixels, more than 200000000") == true)
    let small = ImageLimits(maximumPixels: 13 * 9 - 1)
    #expect {
      try ImageDecoder.decode(path: Fixtures.path("images/grey8.png"), limits: small)
    } throws: { ($0 as? ImageError)?.code == .tooLarge }
    let exact = ImageLimits(maximumPixels: 13 * 9)
    #expect(throws: Never.self) {
      try ImageDecoder.decode(path: Fixtures.path("images/grey8.png"), limits: exact)
    }
    #expect {
      try ImageDecoder.decode(
        path: Fixtures.path("images/grey8.png"), limits: ImageLimits(maximumFileBytes: 10))
    } throws: { ($0 as? ImageError)?.code == .tooLarge }
  }

  @Test func pathsAreNamed() {
    let missing = #expect(throws: ImageError.self) { try ImageDecoder.decode(path: "/no/such.png") }
    #expect(
      missing?.description
        == "/no/such.png: cannot be opened: No such file or directory; check the path")
    let folder = #expect(throws: ImageError.self) { try ImageDecoder.decode(path: "/") }
    #expect(folder?.code == .unreadable)
    // Whatever is wrong with a picture, its name is told.
    let named = #expect(throws: ImageError.self) { try ImageDecoder.decode([0], name: "a.png") }
    #expect(named?.path == "a.png")
    let limits = ImageLimits(maximumPixels: 1)
    let path = Fixtures.path("images/grey8.png")
    let large = #expect(throws: ImageError.self) {
      try ImageDecoder.decode(path: path, limits: limits)
    }
    #expect(large?.path == path)
    let thin = RGBImage(width: 201, height: 1, pixels: [UInt8](repeating: 0, count: 603))
    var strip = thin
    strip.source = ImageSource(name: "strip.png", width: 201, height: 1)
    #expect(strip == thin)
    let crop = #expect(throws: ImageError.self) { try ImagePreprocessing().patches(of: strip) }
    #expect(crop?.path == "strip.png" && crop?.code == .tooSmall)
  }

  @Test func mutatedFilesNeverCrash() throws {
    let seed: UInt64 = 0x5EED
    var generator = SplitMix64(seed: seed)
    let limits = ImageLimits(maximumPixels: 1 << 20)
    var decodedCount = 0
    for name in Self.files {
      let original = try Fixtures.bytes("images/\(name)")
      for _ in 0..<100 {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          bytes[Int.random(in: 2..<bytes.count, using: &generator)] = UInt8.random(
            in: 0...255, using: &generator)
        }
        if name.hasSuffix(".png"), Bool.random(using: &generator) { Self.repairChecksums(&bytes) }
        if let image = try? ImageDecoder.decode(bytes, limits: limits) {
          #expect(image.pixels.count == image.width * image.height * 3)
          decodedCount += 1
        }
      }
    }
    // Damage that only changes pixels decodes, damage to the structure does not: both must occur.
    #expect((100...9000).contains(decodedCount), "\(decodedCount) decoded, seed \(seed)")
  }

  private static func withExtents(_ png: inout [UInt8], width: UInt32, height: UInt32) -> [UInt8] {
    for (offset, value) in [(16, width), (20, height)] {
      for k in 0..<4 { png[offset + k] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * k)) }
    }
    repairChecksums(&png)
    return png
  }

  /// Makes every chunk's checksum right, so that damage reaches the code behind it.
  private static func repairChecksums(_ png: inout [UInt8]) {
    for chunk in PNGChunks.ranges(png) {
      let checksum = PNGChunks.checksum(png[chunk.lowerBound + 4..<chunk.upperBound - 4])
      for k in 0..<4 {
        png[chunk.upperBound - 4 + k] = UInt8(truncatingIfNeeded: checksum >> UInt32(24 - 8 * k))
      }
    }
  }
}
