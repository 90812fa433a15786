import Testing
import VARTestSupport
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct PNGEncoderTests {
  static let image = RGBImage(
    width: 5, height: 3, pixels: (0..<45).map { UInt8(truncatingIfNeeded: $0 * 37) })

  @Test(arguments: [false, true]) func pixelsSurviveARoundTrip(isQuick: Bool) throws {
    let bytes = try PNGEncoder.encode(Self.image, isQuick: isQuick)
    #expect(try ImageDecoder.decode(bytes) == Self.image)
    #expect(PNGChunks.named(bytes).map(\.type) == ["IHDR", "IDAT", "IEND"])
    #expect(bytes == (try PNGEncoder.encode(Self.image, isQuick: isQuick)))
  }

  @Test func textsStandBeforeThePixels() throws {
    let bytes = try PNGEncoder.encode(
      Self.image, text: [("Software", "varlite"), ("prompt", "ein rotes Fahrrad, 自転車")])
    let chunks = PNGChunks.named(bytes)
    #expect(chunks.map(\.type) == ["IHDR", "tEXt", "iTXt", "IDAT", "IEND"])
    #expect(chunks[1].data == Array("Software\0varlite".utf8))
    // Keyword, no compression, no language, no translated keyword.
    #expect(chunks[2].data == Array("prompt\0\0\0\0\0ein rotes Fahrrad, 自転車".utf8))
    #expect(try ImageDecoder.decode(bytes) == Self.image)
  }

  @Test(arguments: ["", " a", "a ", "a  b", "ä", String(repeating: "k", count: 80)])
  func malformedKeywordsAreRefused(key: String) {
    #expect {
      try PNGEncoder.encode(Self.image, text: [(key, "x")])
    } throws: { ($0 as? ImageError)?.code == .invalidText }
  }

  @Test func nulInATextIsRefused() {
    #expect {
      try PNGEncoder.encode(Self.image, text: [("a", "x\0y")])
    } throws: { ($0 as? ImageError)?.code == .invalidText }
  }

  @Test func filesAppearWholeOrNotAtAll() throws {
    let folder = TemporaryDirectory()
    defer { withExtendedLifetime(folder) {} }
    let path = folder.path + "/picture.png"
    try PNGEncoder.write(Self.image, to: path)
    #expect(try ImageDecoder.decode(path: path) == Self.image)
    // An existing file is replaced.
    let other = RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
    try PNGEncoder.write(other, to: path)
    #expect(try ImageDecoder.decode(path: path) == other)
    let missing = path + ".missing/picture.png"
    let error = #expect(throws: ImageError.self) { try PNGEncoder.write(other, to: missing) }
    #expect(error?.code == .notWritable)
    #expect(
      error?.description
        == "\(missing): cannot be written: No such file or directory; make its folder first")
  }

  /// Renaming would put a file in the place of the device, or of the name that leads to it.
  @Test func devicesTakeThePictureThemselves() throws {
    let folder = TemporaryDirectory()
    let link = folder.file("null.png")
    #expect(symlink("/dev/null", link) == 0)
    try PNGEncoder.write(Self.image, to: link)
    try JPEGEncoder.write(Self.image, to: link)
    #expect(try Fixtures.readFile(link).isEmpty)
    #expect(folder.names() == ["null.png"])
  }
}
