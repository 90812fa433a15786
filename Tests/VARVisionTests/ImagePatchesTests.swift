import Testing
import VARJSON
import VARTestSupport
import VARVision

@Suite struct ImagePatchesTests {
  static let golden = try! SafetensorsFile(fixture: "golden/preprocess.safetensors")

  static func tinyPreprocessing() throws -> ImagePreprocessing {
    try ImagePreprocessing(
      json: JSONValue(parsing: Fixtures.bytes("tiny/preprocessor_config.json")))
  }

  @Test(arguments: ["a", "b", "c", "d", "e", "f"])
  func goldenPicturesMatch(name: String) throws {
    let preprocessing = try Self.tinyPreprocessing()
    // The reference drops alpha; one of the pictures has some.
    let image = try ImageDecoder.decode(
      path: Fixtures.path("golden/inputs/img_\(name).png"), alpha: .dropped)
    let size = try preprocessing.smartResize(height: image.height, width: image.width)
    #expect([size.height, size.width, 3] == (try Self.golden.shape("\(name).resized_u8")))
    let resized = image.resized(width: size.width, height: size.height)
    #expect(resized.pixels.map { Int($0) } == (try Self.golden.integers("\(name).resized_u8")))

    let patches = try preprocessing.patches(of: image)
    #expect(
      [1, patches.gridHeight, patches.gridWidth] == (try Self.golden.integers("\(name).grid_thw")))
    #expect([patches.patchCount, 1176] == (try Self.golden.shape("\(name).pixel_values")))
    #expect(patches.tokenCount * 4 == patches.patchCount)
    let worst = largestDifference(
      patches.expanded(), try Self.golden.floats("\(name).pixel_values"))
    #expect(worst.value == 0, "\(worst)")
  }

  @Test func resizesLikeTheReference() throws {
    let expected = try SafetensorsFile(fixture: "images/expected.safetensors")
    let shape = try expected.shape("resize.source")
    let source = RGBImage(
      width: shape[1], height: shape[0],
      pixels: try expected.integers("resize.source").map { UInt8($0) })
    let names = expected.names.filter { $0.hasPrefix("resize.") && $0 != "resize.source" }
    #expect(names.count == 9)
    for name in names {
      let shape = try expected.shape(name)
      let resized = source.resized(width: shape[1], height: shape[0])
      #expect(resized.pixels.map { Int($0) } == (try expected.integers(name)), "\(name)")
    }
  }

  @Test func sizesFollowTheReference() throws {
    let released = try ImagePreprocessing(minPixels: 3136, maxPixels: 12_845_056)
    // Half to even: 42 / 28 = 1.5 gives 2, 70 / 28 = 2.5 gives 2.
    #expect(try released.smartResize(height: 42, width: 70) == size(56, 56, false))
    #expect(try released.smartResize(height: 28, width: 28) == size(56, 56, false))
    #expect(try released.smartResize(height: 480, width: 640) == size(476, 644, false))
    #expect(try released.smartResize(height: 4000, width: 6000) == size(2912, 4368, true))
    let capped = released.limited(maximumTokens: ImagePreprocessing.defaultMaximumTokens)
    #expect(try capped.smartResize(height: 480, width: 640) == size(476, 644, false))
    #expect(try capped.smartResize(height: 1200, width: 1600) == size(560, 756, true))
    // A long strip keeps one row of tokens and the cap.
    let narrow = released.limited(maximumTokens: 64)
    #expect(try narrow.smartResize(height: 28, width: 5600) == size(28, 64 * 28, true))
    #expect(try narrow.smartResize(height: 5600, width: 28) == size(64 * 28, 28, true))
    for (height, width) in [(28, 28 * 200 + 1), (1, 201), (2010, 10)] {
      #expect {
        try released.smartResize(height: height, width: width)
      } throws: { ($0 as? ImageError)?.code == .tooSmall }
    }
  }

  /// What `smart_resize` of transformers 5 returns for sides below a token's.
  @Test func shortSidesAreEnlargedAsInTheReference() throws {
    let capped = try ImagePreprocessing(minPixels: 3136, maxPixels: 576 * 784)
    for (height, width, newHeight, newWidth) in [
      (1, 1, 56, 56), (13, 13, 56, 56), (14, 14, 56, 56), (20, 20, 56, 56), (27, 27, 56, 56),
      (27, 100, 28, 112), (100, 27, 112, 28), (2, 3, 56, 84), (42, 13, 112, 56),
      (15, 1000, 28, 1008), (20, 4000, 28, 4004), (27, 5400, 28, 5404),
      // A side that rounds to zero makes the area zero, so that the least area scales the strip.
      (10, 2000, 28, 812), (2000, 10, 812, 28), (1, 200, 28, 812), (13, 2600, 28, 812),
    ] {
      #expect(
        try capped.smartResize(height: height, width: width) == size(newHeight, newWidth, false),
        "\(height) x \(width)")
    }
    // A strip has the tokens that its cap allows, also where its short side grows.
    let narrow = try ImagePreprocessing(minPixels: 3136, maxPixels: 16 * 784)
    #expect(try narrow.smartResize(height: 10, width: 2000) == size(28, 16 * 28, true))
    #expect(try narrow.smartResize(height: 2000, width: 10) == size(16 * 28, 28, true))
    let picture = RGBImage(width: 20, height: 27, pixels: [UInt8](repeating: 9, count: 1620))
    let patches = try capped.patches(of: picture)
    #expect(patches.isEnlarged && !patches.isShrunk && patches.tokenCount == 6)
    let token = RGBImage(width: 28, height: 28, pixels: [UInt8](repeating: 9, count: 2352))
    #expect(try !capped.patches(of: token).isEnlarged)
  }

  @Test func tokenCapHoldsForEveryShape() throws {
    let released = try ImagePreprocessing(minPixels: 3136, maxPixels: 12_845_056)
    for cap in [4, 64, 576] {
      let capped = released.limited(maximumTokens: cap)
      // With a cap near the least area, the reference lets small pictures grow past it.
      let short = cap == 4 ? [] : [1, 3, 10, 13, 20, 27]
      for height in short + Array(stride(from: 28, through: 2000, by: 173)) {
        for width in short + Array(stride(from: 28, through: 2000, by: 131)) {
          if max(height, width) > 200 * min(height, width) { continue }
          let size = try capped.smartResize(height: height, width: width)
          #expect(size.height * size.width <= cap * 784, "\(height) x \(width)")
          #expect(min(size.height, size.width) >= 28, "\(height) x \(width)")
        }
      }
    }
  }

  private func size(_ height: Int, _ width: Int, _ isShrunk: Bool) -> SmartResize {
    SmartResize(height: height, width: width, isShrunk: isShrunk)
  }
}
