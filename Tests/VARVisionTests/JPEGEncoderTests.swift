import Testing
import VARJSON
import VARTestSupport
import VARVision

@Suite struct JPEGEncoderTests {
  /// A red square on blue: an edge that subsampled colours would smear.
  static let image = RGBImage(
    width: 32, height: 24,
    pixels: (0..<24).flatMap { y in
      (0..<32).flatMap { x -> [UInt8] in
        (7..<19).contains(x) && (5..<17).contains(y) ? [230, 20, 30] : [20, 40, 220]
      }
    })

  /// The segments before the scan.
  private func segments(_ jpeg: [UInt8]) -> [(marker: UInt8, payload: [UInt8])] {
    var result: [(UInt8, [UInt8])] = []
    var position = 2
    while position + 4 <= jpeg.count, jpeg[position + 1] != 0xDA {
      let length = Int(jpeg[position + 2]) << 8 | Int(jpeg[position + 3])
      result.append((jpeg[position + 1], Array(jpeg[position + 4..<position + 2 + length])))
      position += 2 + length
    }
    return result
  }

  private func largestError(quality: Int) throws -> Int {
    let decoded = try ImageDecoder.decode(JPEGEncoder.encode(Self.image, quality: quality))
    return zip(decoded.pixels, Self.image.pixels).reduce(0) {
      max($0, abs(Int($1.0) - Int($1.1)))
    }
  }

  @Test func pixelsSurviveWithinTheQuality() throws {
    #expect(try largestError(quality: 100) <= 4)
    #expect(try largestError(quality: JPEGEncoder.defaultQuality) <= 40)
    #expect(try largestError(quality: 1) > 40)
  }

  @Test func coloursAreNotSubsampledAndBytesAreTheSame() throws {
    let bytes = try JPEGEncoder.encode(Self.image)
    #expect(bytes == (try JPEGEncoder.encode(Self.image, quality: 90)))
    #expect(bytes != (try JPEGEncoder.encode(Self.image, quality: 89)))
    let frame = try #require(segments(bytes).first { $0.marker == 0xC0 }?.payload)
    #expect(frame[5] == 3 && [7, 10, 13].allSatisfy { frame[$0] == 0x11 })
    #expect(segments(bytes).allSatisfy { $0.marker != 0xFE })
  }

  @Test func textsStandInAComment() throws {
    let text = [(key: "Software", value: "varlite"), (key: "prompt", value: "rotes \"自転車\" \0")]
    let bytes = try JPEGEncoder.encode(Self.image, text: text)
    let comments = segments(bytes).filter { $0.marker == 0xFE }
    #expect(comments.count == 1)
    let json = try JSONValue(parsing: comments.first?.payload ?? [])
    for (key, value) in text { #expect(json[key]?.stringValue == value) }
    #expect(try ImageDecoder.decode(bytes) == ImageDecoder.decode(JPEGEncoder.encode(Self.image)))
  }

  @Test func longTextsGoOnInTheNextComment() throws {
    let prompt = String(repeating: "ä自", count: 30_000)
    let bytes = try JPEGEncoder.encode(Self.image, text: [("prompt", prompt)])
    let comments = segments(bytes).filter { $0.marker == 0xFE }.map(\.payload)
    #expect(comments.count == 3)
    for comment in comments { #expect(String(validating: comment, as: UTF8.self) != nil) }
    #expect(try JSONValue(parsing: comments.flatMap { $0 })["prompt"]?.stringValue == prompt)
  }

  @Test(arguments: [0, 101, -1]) func qualitiesOutsideTheScaleAreRefused(quality: Int) {
    #expect {
      try JPEGEncoder.encode(Self.image, quality: quality)
    } throws: { ($0 as? ImageError)?.code == .invalidSettings }
  }

  @Test func sidesThatNoJPEGHasAreRefused() {
    let line = RGBImage(width: 65501, height: 1, pixels: [UInt8](repeating: 0, count: 196_503))
    let error = #expect(throws: ImageError.self) { try JPEGEncoder.encode(line) }
    #expect(error?.code == .unsupported)
  }

  @Test func filesAppearWholeOrNotAtAll() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("picture.jpg")
    try JPEGEncoder.write(Self.image, to: path)
    #expect(try Fixtures.readFile(path) == JPEGEncoder.encode(Self.image))
    #expect(folder.names() == ["picture.jpg"])
    let missing = path + ".missing/picture.jpg"
    let error = #expect(throws: ImageError.self) { try JPEGEncoder.write(Self.image, to: missing) }
    #expect(error?.code == .notWritable && error?.path == missing)
  }
}
