import Testing
import VARTestSupport
import VARVision

@Suite struct ImageDecoderTests {
  static let expected = try! SafetensorsFile(fixture: "images/expected.safetensors")
  static let files = expected.names.filter { $0.hasSuffix(".png") || $0.hasSuffix(".jpg") }

  @Test(arguments: files) func decodesEveryKindLikeTheReference(name: String) throws {
    let image = try ImageDecoder.decode(path: Fixtures.path("images/\(name)"))
    #expect([image.height, image.width, 3] == (try Self.expected.shape(name)))
    let wanted = try Self.expected.integers(name).map { UInt8($0) }
    let wrong = zip(image.pixels, wanted).enumerated().first { $1.0 != $1.1 }
    #expect(wrong == nil, "\(name): \(String(describing: wrong))")
  }

  @Test func everyKindIsCovered() { #expect(Self.files.count == 45) }

  @Test(arguments: ["images/rgb8.png", "images/progressive.jpg", "images/baseline420.jpg"])
  func everyPrefixIsRefused(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in 0..<bytes.count {
      let error = #expect(throws: ImageError.self) {
        try ImageDecoder.decode(Array(bytes[..<count]))
      }
      let code = error?.code
      let isNamed = code == .truncated || code == .unknownFormat && count < 8
      #expect(isNamed, "\(count) of \(bytes.count) bytes: \(String(describing: error))")
    }
  }

  @Test(arguments: [
    ("GIF89a..", "the file is a GIF picture (starts with 47 49 46 38 39 61 2E 2E)"),
    ("<html>", "the file is an HTML or XML document (starts with 3C 68 74 6D 6C 3E)"),
    ("hello", "the file starts with 68 65 6C 6C 6F"),
  ])
  func junkIsNamed(content: String, start: String) {
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(Array(content.utf8)) }
    #expect(error?.code == .unknownFormat)
    #expect(error?.description == "\(start), neither PNG nor JPEG; convert it to one of them")
  }

  @Test func limitsHoldBeforeMemoryIsTaken() throws {
    // A header alone claims 4 gigapixels: the limit must answer, not the missing rest.
    var png = try Fixtures.bytes("images/rgb8.png")
    let huge = Self.withExtents(&png, width: 65535, height: 65535)
    let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(huge) }
    #expect(error?.code == .tooLarge)
    #expect(error?.description.contains("65535 x 65535 pixels, more than 64000000") == true)
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
    #expect(missing?.description == "/no/such.png: No such file or directory")
    let folder = #expect(throws: ImageError.self) { try ImageDecoder.decode(path: "/") }
    #expect(folder?.code == .unreadable)
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
    #expect((100...4000).contains(decodedCount), "\(decodedCount) decoded, seed \(seed)")
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
