import Testing
import VARLite
import VARTestSupport
import VARVision

/// What decoding a picture takes stands in the plan of its request.
@Suite struct PictureMemoryTests {
  private static let photo = FlatJPEG(width: 5000, height: 4000).bytes
  private static let pixelByteCount = 5000 * 4000 * 3

  /// Bytes beside the program, which other tests make larger meanwhile.
  private func peak(_ pictures: Picture...) throws -> Int {
    try peak(pictures)
  }

  private func peak(_ pictures: [Picture]) throws -> Int {
    let plan = try TinyModel.f32().plan(Request("What is it?", pictures: pictures))
    return plan.peakByteCount - plan.program.byteCount
  }

  @Test func decodingIsPlanned() throws {
    let small = try peak(Picture(width: 100, height: 80))
    let large = try peak(Picture(bytes: Self.photo))
    #expect(large > Self.pixelByteCount && large < small + Self.pixelByteCount * 5 / 4)
    // Pixels that the caller holds are there already; one pass of the resize is not.
    let pixels = try peak(Picture(ImageDecoder.decode(Self.photo)))
    #expect(pixels < large - Self.pixelByteCount / 2)
  }

  @Test func severalPicturesTakeWhatTheLargestTakes() throws {
    let one = try peak(Picture(bytes: Self.photo))
    let four = try peak(Array(repeating: Picture(bytes: Self.photo), count: 4))
    #expect(four - one < Self.pixelByteCount / 4)
  }

  @Test func roundTripsArePlannedToo() throws {
    let model = try TinyModel.f32()
    let decoded = try ImageDecoder.decode(Self.photo, target: .sides(1024))
    let expected = try model.reconstruct(decoded)
    #expect(try model.reconstruct(Picture(bytes: Self.photo)).picture == expected.picture)
  }

  @Test func thereIsALimitOnTheirNumber() throws {
    let count = Request.maximumPictureCount + 1
    let pictures = Array(repeating: Picture(width: 64, height: 64), count: count)
    let error = #expect(throws: VARLiteError.self) {
      try TinyModel.f32().plan(Request("", pictures: pictures))
    }
    #expect(error?.category == .request)
    #expect(error?.description.contains("\(count) pictures") == true)
  }

  /// Of a text that no tokenizer could make short enough nothing is encoded.
  @Test func textsThatCannotFitAreNotEncoded() throws {
    let text = String(repeating: "x", count: 4 << 20)
    let error = #expect(throws: VARLiteError.self) { try TinyModel.f32().plan(Request(text)) }
    #expect(error?.category == .contextFull)
  }
}
