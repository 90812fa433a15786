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

  /// A model whose file names the sizes of its training says when it is asked for another, and edits in those it knows.
  @Test func sizesThatTheTrainingDidNotHaveAreSaid() throws {
    let (folder, source) = (TemporaryDirectory(), TemporaryDirectory())
    let start = "\"vargpt_gen\": {"
    try ChangedFixture.make(
      "tiny", changing: "config.json",
      replacing: [start: start + "\"training\": {\"sizes\": [[128, 128]]},"], in: source)
    let model = folder.file("m.vq4")
    expectDone(try Programs.varconvert([source.path, "-o", model, "--quiet"]))
    let wide = folder.file("wide.png")
    try TestPicture.write(width: 200, height: 100, to: wide)
    func draw(_ arguments: [String]) throws -> (RGBImage, String) {
      let result = try Programs.varlite(
        arguments + ["-m", model, "-o", "-", "--force-image", "--cfg-scale", "1"])
      expectDone(result)
      return (try ImageDecoder.decode(result.output), result.errorText)
    }
    let own = try draw(["generate", "a"])
    #expect(own.0.width == 128 && !own.1.contains("trained"))
    let large = try draw(["generate", "a", "--size", "256"])
    #expect(large.0.width == 256)
    #expect(large.1.contains("trained on pictures of 128x128, not on 256x256"), "\(large.1)")
    let edit = try draw(["edit", "a", "-i", wide])
    #expect(edit.0.width == 128 && edit.0.height == 128 && !edit.1.contains("not on"))
    #expect(edit.1.contains("picture 1: the model sees it in "), "\(edit.1)")
    let named = try draw(["edit", "a", "-i", wide, "--aspect", "source"])
    #expect(named.0.width == 160 && named.1.contains("128x128, not on 160x80"), "\(named.1)")
  }

  /// Without a flag; this model knows every official shape in its own number of scales.
  @Test(arguments: [(200, 100, 160, 80), (100, 200, 80, 160), (150, 150, 128, 128)])
  func anEditTakesTheNearestShapeByDefault(
    width: Int, height: Int, drawnWidth: Int, drawnHeight: Int
  ) throws {
    let folder = TemporaryDirectory()
    let path = folder.file("a.png")
    try TestPicture.write(width: width, height: height, to: path)
    func edit(_ flags: [String]) throws -> RGBImage {
      let result = try Programs.varlite(
        ["edit", "a", "-i", path, "-o", "-", "--force-image", "--cfg-scale", "1", "--quiet"]
          + flags)
      expectDone(result)
      return try ImageDecoder.decode(result.output)
    }
    let picture = try edit([])
    #expect(
      picture.width == drawnWidth && picture.height == drawnHeight,
      "\(picture.width)x\(picture.height)")
    #expect(try edit(["--aspect", "1:1"]).width == 128)
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
