import Testing
import VARJSON
import VARTestSupport
import VARVision

/// `--size`, `--pn` and `--aspect`.
@Suite struct ShapeTests {
  @Test(arguments: [
    (["--pn", "0.06M"], 256, 256), (["--size", "256"], 256, 256),
    (["--size", "128"], 128, 128), (["--aspect", "1:1"], 128, 128),
    (["--size", "256", "--aspect", "2:1"], 352, 176),
    (["--size", "256", "--aspect", "1:2.01"], 176, 352),
    (["--size", "256", "--aspect", "100:1"], 432, 144),
  ])
  func picturesHaveTheShapeThatIsAskedFor(flags: [String], width: Int, height: Int) throws {
    let result = try Programs.varlite(
      [
        "generate", "a", "-o", "-", "--force-image", "--cfg-scale", "1", "--quiet",
      ] + flags)
    expectDone(result)
    let picture = try ImageDecoder.decode(result.output)
    #expect(
      picture.width == width && picture.height == height, "\(picture.width)x\(picture.height)")
  }

  @Test func anEditTakesTheShapeOfItsPicture() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("wide.png")
    try TestPicture.write(width: 200, height: 100, to: path)
    let result = try Programs.varlite([
      "edit", "a", "--image", path, "-o", "-", "--force-image", "--cfg-scale", "1", "--quiet",
      "--aspect", "source", "--size", "256",
    ])
    expectDone(result)
    let picture = try ImageDecoder.decode(result.output)
    #expect(picture.width == 2 * picture.height)
  }
}
