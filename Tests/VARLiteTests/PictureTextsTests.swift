import Testing
import VARLite
import VARTestSupport
import VARVision

/// What a picture's file tells of how it was drawn.
@Suite struct PictureTextsTests {
  private func request() throws -> Request {
    var drawing = DrawingRequest(cfgScale: 2, seed: UInt64.max)
    drawing.start = .atOnce
    drawing.guidedScales = .first(3)
    var request = Request(
      messages: [
        Message(.system, "Sei kurz."),
        try Message(
          typed: "Mal <image> größer.", pictures: [Picture(TinyModel.picture("scene_0"))]),
      ], drawing: drawing)
    request.maximumPicturePixels = 12_544
    return request
  }

  private func texts(_ png: [UInt8]) throws -> PictureTexts {
    try PictureTexts(png: png, name: "a.png", limits: ImageLimits())
  }

  @Test func aPictureTellsAllThatWasAsked() throws {
    let response = try TinyModel.f32().run(request())
    let texts = try texts(response.png())
    #expect(texts.asked.prompt == "Mal <image> größer." && texts.asked.system == "Sei kurz.")
    #expect(texts.asked.maximumPicturePixels == 12_544)
    #expect(texts.asked.minimumPicturePixels == nil && texts.isComplete)
    let state = try #require(response.drawing)
    #expect(texts.state.pictureHashes.count == 1 && texts.state.startsAtOnce)
    #expect(texts.state.pictureHashes == state.pictureHashes && texts.state.bits.isEmpty)
    #expect(texts.state.seed == UInt64.max && texts.state.guidedScaleCount == 3)
  }

  @Test func anotherPictureIsRefusedByItsNumber() throws {
    let model = try TinyModel.f32()
    let state = try #require(try model.run(request()).drawing)
    var other = try request()
    other.drawing = DrawingRequest(resuming: state)
    #expect(try model.run(other).drawing == state)
    let picture = Picture(try TinyModel.picture("scene_1"))
    other.messages[1] = try Message(typed: "Mal <image> größer.", pictures: [picture])
    let refusal = #expect(throws: VARLiteError.self) { try model.run(other) }
    #expect(refusal?.category == .request)
    #expect(refusal?.detail.hasPrefix("picture 1 is not the one") == true, "\(refusal!)")
  }

  /// A flipped bit, a cut, and a text more or less.
  @Test func everyChangeIsSeen() throws {
    let model = try TinyModel.f32()
    let png = try model.run(Request("Paint.", drawing: DrawingRequest(cfgScale: 1))).png()
    let good = try texts(png)
    let pixels = try #require(png.indices.first { png[$0...].starts(with: Array("IDAT".utf8)) })
    var accepted = 0
    for index in 8..<pixels {
      var changed = png
      changed[index] ^= 1
      // The checksum of a chunk that means nothing for the pixels.
      if let read = try? texts(changed) { accepted += read == good ? 1 : 1_000_000 }
    }
    #expect(accepted <= 4 * 6, "\(accepted)")
    for index in stride(from: 0, to: png.count, by: 17) {
      let refusal = #expect(throws: VARLiteError.self) { try texts(Array(png[..<index])) }
      #expect(refusal?.category == .picture && refusal?.detail.hasPrefix("a.png: ") == true)
    }
  }

  @Test func otherFilesAreNamed() throws {
    let image = try TinyModel.picture("scene_0")
    let cases: [(bytes: [UInt8], says: String)] = [
      (try image.jpeg(), "is a JPEG"), ([1, 2, 3], "is no PNG"), ([], "is no PNG"),
      (try image.png(), "has no settings"),
      (try PNGEncoder.encode(image, text: [("settings", "{}")]), "have no hash"),
      (try PNGEncoder.encode(image, text: [("settings", "{}"), ("hash", "0")]), "hash differs"),
      (
        try PNGEncoder.encode(image, text: [("settings", "{}"), ("hash", "0"), ("hash", "0")]),
        "stands there twice"
      ),
    ]
    for (bytes, says) in cases {
      let refusal = #expect(throws: VARLiteError.self) { try texts(bytes) }
      #expect(refusal?.detail.contains(says) == true, "\(refusal!)")
    }
  }
}
