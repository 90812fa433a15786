import Testing
import VARJSON
import VARTestSupport
import VARVision

@Suite struct ImagePreprocessingTests {
  @Test func readsTheCheckpointsSettings() throws {
    let settings = try ImagePatchesTests.tinyPreprocessing()
    #expect(settings.minPixels == 3136 && settings.maxPixels == 15680)
    #expect(settings.patchSize == 14 && settings.mergeSize == 2 && settings.temporalPatchSize == 2)
    #expect(settings.mean == [0.48145466, 0.4578275, 0.40821073])
    #expect(settings.std == [0.26862954, 0.26130258, 0.27577711])
  }

  @Test func missingSettingsAreTheReferencesDefaults() throws {
    #expect(try ImagePreprocessing(json: JSONValue(parsing: "{}")) == ImagePreprocessing())
    let nested = try ImagePreprocessing(
      json: JSONValue(parsing: #"{"size":{"min_pixels":784,"max_pixels":1568}}"#))
    #expect(nested.minPixels == 784 && nested.maxPixels == 1568)
  }

  /// Newer versions of transformers call areas edges, and write null for what is absent.
  @Test func edgesOfASizeAreAreas() throws {
    let edges = try ImagePreprocessing(
      json: JSONValue(
        parsing: """
          {"size":{"shortest_edge":784,"longest_edge":12544},"min_pixels":null,"max_pixels":null,
           "do_resize":null,"rescale_factor":null,"image_mean":null}
          """))
    #expect(edges.minPixels == 784 && edges.maxPixels == 12_544)
    // 448 x 448 pixels, 16 tokens a side of 28 pixels; now 16 tokens in all.
    let resized = try edges.smartResize(height: 448, width: 448)
    #expect(resized.height == 112 && resized.width == 112)
    let wins = try ImagePreprocessing(
      json: JSONValue(
        parsing: #"{"size":{"shortest_edge":784,"longest_edge":12544},"max_pixels":15680}"#))
    #expect(wins.minPixels == 784 && wins.maxPixels == 15_680)
  }

  @Test(arguments: [
    "[]", #"{"resample":2}"#, #"{"do_normalize":false}"#, #"{"patch_size":0}"#,
    #"{"patch_size":"14"}"#, #"{"min_pixels":0}"#, #"{"min_pixels":10,"max_pixels":5}"#,
    #"{"max_pixels":9223372036854775807}"#, #"{"image_std":[0,1,1]}"#, #"{"image_mean":[1]}"#,
    #"{"image_mean":["a",1,1]}"#, #"{"rescale_factor":1}"#, #"{"merge_size":9}"#,
    #"{"size":448}"#, #"{"size":[784,12544]}"#,
  ])
  func malformedSettingsAreRefused(text: String) {
    #expect {
      try ImagePreprocessing(json: JSONValue(parsing: text))
    } throws: { ($0 as? ImageError)?.code == .invalidSettings }
  }

  @Test func centreCropKeepsTheMiddle() {
    let image = RGBImage(width: 4, height: 2, pixels: (0..<24).map { UInt8($0) })
    let square = image.centreCropped(aspectWidth: 1, aspectHeight: 1)
    #expect(square.pixels == [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20])
    let wide = image.centreCropped(aspectWidth: 4, aspectHeight: 1)
    #expect(wide.pixels == (0..<12).map { UInt8($0) })
    #expect(image.centreCropped(aspectWidth: 2, aspectHeight: 1) == image)
    let fitted = image.fitted(width: 6, height: 6)
    #expect(fitted.width == 6 && fitted.height == 6)
    #expect(
      RGBImage(width: 1, height: 1, pixels: [0, 51, 255]).signedFloats() == [-1, -0.6, 1])
  }
}
